package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/nginxtest"
	"github.com/adminsessions/adminsessions/internal/tools"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	tenant = "trail"
	bucket = "trail"
	// Of an S3 server that lives as long as the test, on loopback.
	accessKey, secretKey = "cluster", "cluster-test-key"
)

// members are Loki's processes and the last number of their addresses, in the
// order in which they are started.
var members = []struct {
	name string
	host int
}{
	{"ingester-1", 21},
	{"ingester-2", 22},
	{"ingester-3", 23},
	{"distributor-1", 11},
	{"distributor-2", 12},
	{"index-gateway", 31},
	{"query-scheduler", 41},
	{"query-frontend", 51},
	{"querier-1", 61},
	{"querier-2", 62},
	{"compactor", 71},
	{"ruler", 81},
}

const s3Host = 2

// cluster is a Loki of many processes, its bucket, and the gateway that
// balances pushes between the distributors.
type cluster struct {
	network string // the first three numbers of every address
	dir     string
	config  string
	bin     string
	process map[string]*process
	push    string // URL
	loki    *loki.Client
	key     string        // file: signs the checkpoints of all panels
	public  string        // the key that verifies them
	alerts  *alertmanager // where the ruler sends its alerts
}

// start runs a cluster until the test ends, and returns when it is ready.
func start(t *testing.T) *cluster {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{network: freeNetwork(t), dir: t.TempDir(), process: map[string]*process{}}
	if c.bin, err = tools.Find(root, "loki"); err != nil {
		t.Fatal(err)
	}
	s3, err := tools.Find(root, "versitygw")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "s3", bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	c.config = c.writeConfig(t, filepath.Join(root, "deploy", "loki-distributed", "loki.yaml"))
	c.key = filepath.Join(c.dir, "trail.key")
	keys, err := proof.MakeKeyFile(c.key, "cluster")
	if err != nil {
		t.Fatal(err)
	}
	c.public = keys[0].Public()
	c.alerts = newAlertmanager(t)

	c.add(&process{
		name: "s3", args: []string{s3, "--port", c.address(s3Host, 9000), "--quiet", "posix", filepath.Join(c.dir, "s3")},
		env: []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey},
	})
	for _, m := range members {
		c.add(c.member(t, m.name, m.name, m.host))
	}
	t.Cleanup(func() {
		for _, m := range members {
			if t.Failed() {
				names, err := c.ring(context.Background(), m.name)
				t.Logf("the ring as %s sees it: %v (%v)", m.name, names, err)
			}
		}
		for _, p := range c.process {
			p.end(t, syscall.SIGKILL)
			if t.Failed() {
				t.Logf("%s said last:\n%s", p.name, p.tail())
			}
		}
	})
	began := time.Now()
	c.process["s3"].start(t)
	for _, m := range members {
		c.process[m.name].start(t)
	}
	for _, m := range members {
		c.process[m.name].awaitReady(t)
	}
	t.Logf("the cluster was ready after %.0f s", time.Since(began).Seconds())

	c.push = c.gateway(t, filepath.Join(root, "deploy", "gateway", "push.conf"))
	c.loki, err = loki.New(c.questions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.loki.CloseIdleConnections)
	return c
}

func (c *cluster) add(p *process) {
	p.log = filepath.Join(c.dir, p.name+".log")
	c.process[p.name] = p
}

func (c *cluster) address(host, port int) string {
	return fmt.Sprintf("%s.%d:%d", c.network, host, port)
}

// questions is the way to Loki of those who read the trail.
func (c *cluster) questions() adminsessions.Loki {
	return adminsessions.Loki{URL: c.url("query-frontend"), TenantID: tenant}
}

// url is the address of a member of Loki.
func (c *cluster) url(name string) string {
	return strings.TrimSuffix(c.process[name].ready, "/ready")
}

// writeConfig copies the configuration, with one thing added to it: the address
// that the processes talk to each other at. Loki's flag for it takes the address
// twice, and then finds it in use.
func (c *cluster) writeConfig(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const section = "\nmemberlist:\n"
	if !strings.Contains(string(text), section) {
		t.Fatalf("%s has no section memberlist", path)
	}
	path = filepath.Join(c.dir, "loki.yaml")
	changed := strings.Replace(string(text), section, section+"  bind_addr: [\"${BIND_ADDRESS}\"]\n", 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// member is a process of Loki. Its name says its target, id is its name in the
// rings.
func (c *cluster) member(t *testing.T, name, id string, host int) *process {
	t.Helper()
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	target := strings.TrimRight(name, "-0123456789")
	address := fmt.Sprintf("%s.%d", c.network, host)
	return &process{
		name: name,
		args: []string{
			c.bin, "-config.file=" + c.config, "-config.expand-env=true", "-target=" + target,
			"-server.http-listen-address=" + address, "-server.grpc-listen-address=" + address,
			"-memberlist.nodename=" + name, "-memberlist.advertise-addr=" + address,
			"-common.storage.ring.instance-id=" + id, "-common.storage.ring.instance-addr=" + address,
			"-ingester.lifecycler.ID=" + id, "-ingester.lifecycler.addr=" + address, "-frontend.instance-addr=" + address,
			// A rolling update waits for other ingesters this long; tests need not.
			"-ingester.min-ready-duration=0s",
			"-common.path-prefix=" + dir, "-ingester.wal-dir=" + filepath.Join(dir, "wal"),
			"-compactor.working-directory=" + filepath.Join(dir, "compactor"), "-ruler.rule-path=" + filepath.Join(dir, "rules"),
		},
		env: []string{
			"BIND_ADDRESS=" + address, "GOMAXPROCS=2",
			"LOKI_S3_BUCKET=" + bucket, "LOKI_S3_REGION=us-east-1", "LOKI_S3_ENDPOINT=" + c.address(s3Host, 9000),
			"LOKI_S3_INSECURE=true", "LOKI_S3_LOOKUP=path", "LOKI_S3_ACCESS_KEY_ID=" + accessKey, "LOKI_S3_SECRET_ACCESS_KEY=" + secretKey,
			// One of them, where a name for all is better: when it restarts it
			// finds nobody, and has to be found.
			"LOKI_MEMBERLIST=" + c.address(21, 7946), "LOKI_QUERY_SCHEDULER=" + c.address(41, 9095),
			"LOKI_INDEX_GATEWAY=" + c.address(31, 9095), "LOKI_COMPACTOR=" + c.address(71, 9095),
			"LOKI_ALERTMANAGER_URL=" + c.alerts.url,
		},
		ready: fmt.Sprintf("http://%s:3100/ready", address),
	}
}

// gateway runs the gateway for pushes, balancing as README.md says.
func (c *cluster) gateway(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	conf := strings.Replace(string(text), "\thttp://loki:3100;", "\thttp://distributors;", 1)
	conf = strings.Replace(conf, "set $loki http://loki:3100;", "set $loki http://distributors;", 1)
	conf = strings.Replace(conf, "\tserver {\n", fmt.Sprintf("\tupstream distributors { server %s; server %s; }\n\tserver {\n",
		c.address(11, 3100), c.address(12, 3100)), 1)
	return "http://" + nginxtest.Start(t, conf)
}

// kill ends members at once, as a crash does.
func (c *cluster) kill(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		c.process[name].end(t, syscall.SIGKILL)
	}
}

// restart starts members that have ended, and waits until they are ready.
func (c *cluster) restart(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		c.process[name].start(t)
	}
	for _, name := range names {
		c.process[name].awaitReady(t)
	}
}

// flushAndEnd has an ingester end when all that it holds is in the bucket.
func (c *cluster) flushAndEnd(t *testing.T, name string) {
	t.Helper()
	// There may be no answer: the process ends.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url(name)+"/ingester/shutdown?flush=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	c.process[name].end(t, syscall.SIGTERM)
}

// flush has ingesters begin to write what they hold to the bucket; it does not wait
// for the end of it.
func (c *cluster) flush(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := call(t.Context(), "POST", c.url(name)+"/flush", ""); err != nil {
			t.Logf("flushing %s: %v", name, err)
		}
	}
}

// freeNetwork finds a network within 127.0.0.0/8 that nobody uses.
func freeNetwork(t *testing.T) string {
	t.Helper()
	for range 100 {
		network := fmt.Sprintf("127.%d.%d", 1+rand.IntN(254), 1+rand.IntN(254))
		l, err := net.Listen("tcp", network+".21:7946")
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return network
	}
	t.Fatal("no free addresses in 127.0.0.0/8; this test needs Linux")
	return ""
}
