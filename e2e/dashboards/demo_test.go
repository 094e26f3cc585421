//go:build pictures

package dashboards_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/e2e/internal/workday"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// A demo is what `make demo` starts, on free ports and with data of its own.
type demo struct{ grafana, loki, data string }

// startDemo runs a demo with Grafana until the test ends.
func startDemo(t *testing.T) demo {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	d := demo{data: t.TempDir()}
	cmd := exec.Command(tools.Built(root, "demo"))
	cmd.Env = append(os.Environ(), "ADMINSESSIONS_DEMO_DATA="+d.data)
	for _, name := range []string{"PANEL", "METRICS", "LOKI", "LOKI_READ", "LOKI_GRPC", "GRAFANA", "PROMETHEUS"} {
		address := freeport.Address(t)
		_, port, _ := net.SplitHostPort(address)
		cmd.Env = append(cmd.Env, "ADMINSESSIONS_DEMO_"+name+"_PORT="+port)
		switch name {
		case "LOKI":
			d.loki = "http://" + address
		case "GRAFANA":
			d.grafana = "http://" + address
		}
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	childproc.Bind(cmd, syscall.SIGINT)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run `make pictures`, which builds it", err)
	}
	lines := make(chan string)
	go func() { // ends with the demo
		defer close(lines)
		for scanner := bufio.NewScanner(said); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		for range lines {
		}
		_ = cmd.Wait()
	})
	withGrafana := false
	for line := range lines {
		t.Log(line)
		if strings.HasPrefix(line, "  Grafana  ") {
			withGrafana = true
		}
		if strings.Contains(line, "Ctrl-C ends everything") {
			break
		}
	}
	if !withGrafana {
		t.Fatal("there is no Grafana: set GRAFANA_HOME or GRAFANA=download")
	}
	return d
}

// signedIn starts a browser that is signed in to Grafana.
func (d demo) signedIn(t *testing.T) context.Context {
	t.Helper()
	password, err := os.ReadFile(filepath.Join(d.data, "grafana", "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		if chromium, err = exec.LookPath("chromium"); err != nil {
			t.Fatalf("%v: install it, or set CHROMIUM to the program", err)
		}
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	login := fmt.Sprintf(`fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({user: "admin", password: %q})}).then(r => r.status)`,
		strings.TrimSpace(string(password)))
	var status int
	err = chromedp.Run(ctx, chromedp.Navigate(d.grafana+"/login"), chromedp.Evaluate(login, &status, awaited))
	if err != nil || status != http.StatusOK {
		t.Fatalf("sign in to Grafana: status %d, %v", status, err)
	}
	return ctx
}

// plant puts the working day into the demo's Loki, as an exporter would have done in its
// time: one that is started now has an event of its own to tell first, and Loki
// refuses what is hours older than the newest of a stream.
func (d demo) plant(t *testing.T) []adminsessions.Event {
	t.Helper()
	events := workday.Events(time.Now().Add(-30 * time.Second))
	entries := make([][2]string, 0, len(events))
	for i := range events {
		line := adminsessions.AppendSequence(events[i].AppendLine(nil), events[i].Sequence, time.Time{})
		entries = append(entries, [2]string{fmt.Sprint(events[i].Time.UnixNano()), string(line)})
	}
	labels := map[string]string{
		"service_name": workday.Service, "service_instance_id": workday.Instance, "deployment_environment_name": "production",
		"audit_log_id": "5d1f0c39a7be42868f0d2c6b1e94a370",
	}
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": labels, "values": entries}}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(d.loki+"/loki/api/v1/push", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusNoContent || err != nil {
		t.Fatalf("planting the working day: %s, %s, %v", answer.Status, said, err)
	}
	return events
}

// untilVerified waits for the panel to have verified its trail, which it does
// every minute.
func (d demo) untilVerified(t *testing.T) {
	t.Helper()
	query := url.Values{"query": {`count_over_time({service_name="adminpanel"} |= " action=trail.verified " |= "complete=\"yes\"" [15m])`}}
	eventually.NoError(t, 3*time.Minute, "the demo's panel has verified its trail", func() error {
		answer, err := http.Get(d.loki + "/loki/api/v1/query?" + query.Encode())
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		var found struct {
			Data struct{ Result []any }
		}
		if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
			return err
		}
		if len(found.Data.Result) == 0 {
			return errors.New("it has not")
		}
		return nil
	})
}
