package collector

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// A peer is a program that takes OTLP and brings it to Loki.
type peer struct {
	name    string
	command func(listen, loki, dir, instance string) *exec.Cmd
}

func peers(b *testing.B) []peer {
	b.Helper()
	root, err := tools.Root()
	if err != nil {
		b.Fatal(err)
	}
	collector, err := tools.Find(root, "collector")
	if err != nil {
		b.Fatalf("%v (make collector)", err)
	}
	shipped := filepath.Join(root, "deploy", "collector", "config.yaml")
	program := build(b, root)
	return []peer{
		{"adminsessions proxy", func(listen, loki, dir, instance string) *exec.Cmd {
			config := filepath.Join(dir, "proxy.yaml")
			write(b, config, fmt.Sprintf("listen: 'unix:%[2]s/p.sock'\noperators: '-'\nupstreams: [{url: 'http://127.0.0.1:1'}]\n"+
				"ingest: {listen: '%[1]s', durability: written}\nservice: {name: %[3]s, instance: %[4]s}\n"+
				"loki: {url: '%[5]s'}\nspool: {dir: '%[2]s/spool'}\n", listen, dir, serviceName, instance, loki))
			return exec.Command(program, "proxy", "-c", config)
		}},
		{"Collector", func(listen, loki, dir, _ string) *exec.Cmd {
			return collectorCommand(collector, shipped, listen, loki, dir)
		}},
		// The shipped one without the lines that keep the queue on disk: what a
		// Collector does that nobody has told to.
		{"Collector, queue in memory", func(listen, loki, dir, _ string) *exec.Cmd {
			text, err := os.ReadFile(shipped)
			if err != nil {
				b.Fatal(err)
			}
			config := filepath.Join(dir, "memory.yaml")
			write(b, config, strings.Replace(string(text), "storage: file_storage\n", "\n", 1))
			return collectorCommand(collector, config, listen, loki, dir)
		}},
	}
}

func collectorCommand(program, config, listen, loki, dir string) *exec.Cmd {
	cmd := exec.Command(program, "--config", "file:"+config)
	cmd.Env = append(os.Environ(), "OTLP_LISTEN="+listen, "COLLECTOR_DATA="+filepath.Join(dir, "data"), "LOKI_OTLP_ENDPOINT="+loki+"/otlp")
	return cmd
}

// running is a peer's process, and those that follow it.
type running struct {
	b       *testing.B
	name    string
	address string
	command func() *exec.Cmd
	cmd     *exec.Cmd
	log     bytes.Buffer
}

func start(b *testing.B, p peer, loki, instance string) *running {
	b.Helper()
	address, dir := freeport.Address(b), b.TempDir()
	r := &running{b: b, name: p.name, address: address, command: func() *exec.Cmd { return p.command(address, loki, dir, instance) }}
	b.Cleanup(r.kill)
	r.start()
	return r
}

// start returns when the peer takes connections.
func (r *running) start() {
	r.b.Helper()
	r.cmd = r.command()
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	childproc.Bind(r.cmd, syscall.SIGKILL)
	if err := r.cmd.Start(); err != nil {
		r.b.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if conn, err := net.Dial("tcp", r.address); err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			r.kill()
			r.b.Fatalf("%s does not listen:\n%s", r.name, r.log.String())
		}
	}
}

func (r *running) kill() {
	if r.cmd != nil && r.cmd.ProcessState == nil {
		_ = childproc.Signal(r.cmd, syscall.SIGKILL)
		_ = r.cmd.Wait()
	}
}

func build(b *testing.B, root string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "adminsessions")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join(root, "cmd", "adminsessions")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return program
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
