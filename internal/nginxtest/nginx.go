// Package nginxtest runs nginx for tests, with the project's configurations of
// it.
package nginxtest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
)

// Start runs nginx with the text of a configuration of deploy/gateway until the
// test ends, and returns its address. The port that it listens on and the folder
// for its files are replaced.
func Start(t testing.TB, conf string) string {
	t.Helper()
	address, dir := freeport.Address(t), t.TempDir()
	for from, to := range map[string]string{
		"listen 3100 default_server": "listen " + address + " default_server",
		" /tmp/":                     " " + dir + "/",
	} {
		if !strings.Contains(conf, from) {
			t.Fatalf("the configuration of nginx has no %q to replace", from)
		}
		conf = strings.ReplaceAll(conf, from, to)
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.Command(find(t), "-e", "stderr", "-c", path, "-g", "daemon off;")
	cmd.Stderr = &said
	childproc.Bind(cmd, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{}) // closed when nginx is gone
	go func() {
		_ = cmd.Wait() // what it said tells why
		close(exited)
	}()
	t.Cleanup(func() {
		_ = childproc.Signal(cmd, syscall.SIGTERM)
		<-exited
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
	await(t, "http://"+address+"/healthz", exited)
	return address
}

func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin
		}
	}
	t.Fatal("no nginx on PATH or in /usr/sbin; install Debian's nginx-light")
	return ""
}

func await(t testing.TB, url string, exited <-chan struct{}) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	limit := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := healthy(t, client, url)
		if err == nil {
			return
		}
		select {
		case <-exited:
			t.Fatal("nginx ended")
		case <-limit:
			t.Fatalf("nginx does not answer: %v", err)
		case <-tick.C:
		}
	}
}

func healthy(t testing.TB, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
