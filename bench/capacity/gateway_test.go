package capacity

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/nginxtest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// BenchmarkGateway is what a push costs the nginx of deploy/gateway, on a
// connection that is kept and on a new one, as of a panel that has been quiet.
func BenchmarkGateway(b *testing.B) {
	url := gateway(b)
	f := newFleet(b, url, 1)
	for name, after := range map[string]func(){"connection=kept": func() {}, "connection=new": f.client.CloseIdleConnections} {
		b.Run(name, func(b *testing.B) {
			cpu := childrenCPU(b)
			for b.Loop() {
				if a := f.client.Push(b.Context(), f.message(0, time.Now())); a.Err != nil {
					b.Fatal(a.Err)
				}
				after()
			}
			b.ReportMetric(float64((childrenCPU(b)-cpu).Microseconds())/float64(b.N), "nginx-cpu-µs/push")
		})
	}
}

// More panels than the gateway has connections for, each of which keeps its own:
// nginx closes one that is not in use for whoever comes, and every push arrives.
func TestGatewayHasMorePanelsThanConnections(t *testing.T) {
	const panels, rounds = 600, 2
	url := gateway(t)
	f := newFleet(t, url, panels)
	clients := make([]*loki.Client, panels)
	for i := range clients {
		var err error
		if clients[i], err = loki.New(adminsessions.Loki{URL: url}, nil); err != nil {
			t.Fatal(err)
		}
		defer clients[i].CloseIdleConnections()
	}
	failed := 0
	for range rounds {
		for i, c := range clients {
			if a := c.Push(t.Context(), f.message(i, time.Now())); a.Err != nil {
				failed++
				t.Log(a.Err)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d pushes failed", failed, panels*rounds)
	}
}

// gateway is the nginx of deploy/gateway in front of something that takes every
// push.
func gateway(t testing.TB) string {
	t.Helper()
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(behind.Close)
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(filepath.Join(root, "deploy", "gateway", "push.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const upstream = "http://loki:3100"
	if !bytes.Contains(conf, []byte(upstream)) {
		t.Fatalf("push.conf has no %q to replace", upstream)
	}
	return "http://" + nginxtest.Start(t, strings.ReplaceAll(string(conf), upstream, behind.URL))
}

// childrenCPU is the processor time of this process's children and theirs.
func childrenCPU(t testing.TB) (total time.Duration) {
	t.Helper()
	parents := map[string]string{}
	times := map[string]time.Duration{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// After the name: state, parent … user and system time, in hundredths.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		user, err1 := strconv.Atoi(fields[11])
		system, err2 := strconv.Atoi(fields[12])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		pid := filepath.Base(filepath.Dir(file))
		parents[pid], times[pid] = fields[1], time.Duration(user+system)*10*time.Millisecond
	}
	self := fmt.Sprint(os.Getpid())
	for pid, spent := range times {
		for p := parents[pid]; p != ""; p = parents[p] {
			if p == self {
				total += spent
				break
			}
		}
	}
	return total
}
