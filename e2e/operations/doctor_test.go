package operations

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// stock is the least that a Loki of one process needs; everything else is its default.
const stock = `
auth_enabled: false
server: {http_listen_address: 127.0.0.1, http_listen_port: %[1]s, grpc_listen_address: 127.0.0.1, grpc_listen_port: %[2]s, log_level: warn}
common:
  instance_addr: 127.0.0.1
  path_prefix: %[3]s
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: %[3]s/chunks, rules_directory: %[3]s/rules}}
schema_config:
  configs: [{from: "2024-01-01", store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
`

// A Loki with its own defaults does not please doctor; with the lines that
// deploy/loki/README.md adds, it does.
func TestUntilDoctorIsContent(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "deploy", "loki", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(readme)
	if lines == nil {
		t.Fatal("deploy/loki/README.md has no configuration")
	}
	doctor := func(more string) (string, int) {
		url := startStock(t, more)
		cmd := exec.Command(filepath.Join(programs, "adminsessions"), "doctor", "--keep", "1y", "--probe", "--color", "never", "--loki-url", url)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, status := doctor("")
	if status != 1 || !strings.Contains(out, "\n9 findings by which events would be lost") {
		t.Errorf("with its own defaults: %d\n%s", status, out)
	}
	out, status = doctor(string(lines[1]))
	if status != 0 || !strings.Contains(out, "nothing found that would lose, double, hide or falsify an event") || strings.Contains(out, "advice") {
		t.Errorf("with what the README adds: %d\n%s", status, out)
	}
}

// startStock runs a Loki with its own defaults and a few more lines, and returns its
// address.
func startStock(t *testing.T, more string) string {
	t.Helper()
	bin, err := tools.Find(root, "loki")
	if err != nil {
		t.Fatal(err)
	}
	dir, address, grpc := t.TempDir(), freeport.Address(t), freeport.Address(t)
	port := func(a string) string { _, p, _ := net.SplitHostPort(a); return p }
	config := filepath.Join(dir, "loki.yaml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf(stock, port(address), port(grpc), dir)+more), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(bin, "-config.file="+config)
	cmd.Stdout, cmd.Stderr = log, log
	childproc.Bind(cmd, syscall.SIGKILL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, ended := context.WithCancel(context.Background())
	go func() {
		_ = cmd.Wait()
		ended()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ctx.Done()
	})
	eventually.NoError(t, 2*time.Minute, "Loki is ready", func() error {
		if ctx.Err() != nil {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("Loki ended:\n%s", said)
		}
		status, _, err := get(t.Context(), "http://"+address+"/ready", "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	return "http://" + address
}
