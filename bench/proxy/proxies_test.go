package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/tools"
)

const (
	rounds      = 5    // turns of each candidate
	perRound    = 2000 // requests in one
	connections = 4
)

// candidate is a way to the panel.
type candidate struct {
	name    string
	command func(t testing.TB, dir, listen, panel string) *exec.Cmd // nil for the panel itself
	// logged are the answered requests that are in its log.
	logged func(t testing.TB, dir string) int
}

func candidates(program string) []candidate {
	return []candidate{
		{name: "panel by itself"},
		{"nginx", nginx, func(t testing.TB, dir string) int {
			return linesIn(t, filepath.Join(dir, "access.log"), `"GET /admin/clients?n=`)
		}},
		{"Caddy", caddy, func(t testing.TB, dir string) int {
			return linesIn(t, filepath.Join(dir, "access.log"), `"uri":"/admin/clients?n=`)
		}},
		{"adminsessions", func(t testing.TB, dir, listen, panel string) *exec.Cmd {
			config := fmt.Sprintf("listen: %s\noperators: '-'\nupstreams: [{url: '%s'}]\nloki: {url: 'http://127.0.0.1:1'}\nspool: {dir: %s/spool}\npolicy: {anonymous_limit: 1000000}\n", listen, panel, dir)
			write(t, filepath.Join(dir, "proxy.yaml"), config)
			return exec.Command(program, "proxy", "-c", filepath.Join(dir, "proxy.yaml"))
		}, func(t testing.TB, dir string) int {
			out, err := exec.Command(program, "spool", "cat", filepath.Join(dir, "spool")).CombinedOutput()
			if err != nil {
				t.Fatalf("spool cat: %v\n%s", err, out)
			}
			return bytes.Count(out, []byte("/admin/clients?n="))
		}},
	}
}

func nginx(t testing.TB, dir, listen, panel string) *exec.Cmd {
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
daemon off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 2;
events { worker_connections 512; }
http {
  access_log %[1]s/access.log combined; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream panel { server %[3]s; keepalive 64; }
  server { listen %[2]s; location / { proxy_pass http://panel; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } }
}`, dir, listen, strings.TrimPrefix(panel, "http://")))
	return exec.Command("nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
}

func caddy(t testing.TB, dir, listen, panel string) *exec.Cmd {
	program, err := findCaddy()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Caddyfile"), fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n}\nhttp://%s {\n\tlog {\n\t\toutput file %s/access.log\n\t}\n\treverse_proxy %s\n}\n", listen, dir, panel))
	cmd := exec.Command(program, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return cmd
}

func findCaddy() (string, error) {
	root, err := tools.Root()
	if err != nil {
		return "", err
	}
	return tools.Find(root, "caddy")
}

func BenchmarkProxies(b *testing.B) {
	for b.Loop() {
		measure(b)
	}
}

func measure(b *testing.B) {
	program := build(b)
	panel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Repeat([]byte(`{"client":7731}`), 140)) // 2 KiB
	}))
	defer panel.Close()
	all := slices.DeleteFunc(candidates(program), func(c candidate) bool {
		if c.name != "Caddy" {
			return false
		}
		_, err := findCaddy()
		if err != nil {
			b.Logf("without Caddy: %v", err)
		}
		return err != nil
	})
	urls, times := make([]string, len(all)), make([][]time.Duration, len(all))
	for i, c := range all {
		urls[i] = panel.URL
		if c.command != nil {
			urls[i], _ = start(b, c, b.TempDir(), panel.URL)
		}
	}
	for range rounds {
		for i := range all {
			times[i] = append(times[i], load(urls[i], perRound)...)
		}
	}
	for i, c := range all {
		slices.Sort(times[i])
		at := func(q float64) time.Duration {
			return times[i][int(q*float64(len(times[i])-1))].Round(time.Microsecond)
		}
		b.Logf("%-16s p50 %8v  p90 %8v  p99 %8v  of %d", c.name, at(0.5), at(0.9), at(0.99), len(times[i]))
		b.ReportMetric(float64(at(0.5).Microseconds()), strings.ReplaceAll(c.name, " ", "-")+"-p50-µs")
	}
	for _, c := range all[1:] {
		answered, logged := killed(b, c, panel.URL)
		b.Logf("%-16s killed: %d requests answered, %d of them in no log", c.name, answered, max(0, answered-logged))
	}
}

// load sends requests over some connections, and returns how long each took.
func load(url string, n int) (times []time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			var mine []time.Duration
			for i := range n / connections {
				began := time.Now()
				if !get(client, fmt.Sprintf("%s/admin/clients?n=%d", url, i)) {
					continue
				}
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
		})
	}
	wg.Wait()
	return times
}

func get(client *http.Client, url string) bool {
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// killed sends requests to a candidate that is killed meanwhile.
func killed(b *testing.B, c candidate, panel string) (answered, logged int) {
	dir := b.TempDir()
	url, kill := start(b, c, dir, panel)
	timer := time.AfterFunc(300*time.Millisecond, kill)
	defer timer.Stop()
	answered = len(load(url, 20*perRound))
	kill()
	return answered, c.logged(b, dir)
}

// start starts a candidate; kill ends it, and what it has started, at once.
func start(b *testing.B, c candidate, dir, panel string) (url string, kill func()) {
	b.Helper()
	listen := freeport.Address(b)
	cmd := c.command(b, dir, listen, panel)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	childproc.Bind(cmd, syscall.SIGKILL)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	b.Cleanup(kill)
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !get(http.DefaultClient, "http://"+listen+"/") {
		select {
		case <-ctx.Done():
			kill()
			b.Fatalf("%s does not answer:\n%s", c.name, log.String())
		case <-tick.C:
		}
	}
	return "http://" + listen, kill
}

func build(b *testing.B) string {
	root, err := tools.Root()
	if err != nil {
		b.Fatal(err)
	}
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

func linesIn(t testing.TB, path, with string) (n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if bytes.Contains(line, []byte(with)) && (line[0] != '{' || json.Valid(line)) {
			n++
		}
	}
	return n
}
