package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// output is a terminal's other end: what was written, and a signal when there is
// more.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait waits until what was written holds a text so many times.
func (o *output) wait(t *testing.T, text string, times int) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for strings.Count(o.String(), text) < times {
		select {
		case <-o.more:
		case <-timeout:
			t.Fatalf("%q was written %d times, want %d:\n%s", text, strings.Count(o.String(), text), times, o)
		}
	}
}

// TestTail follows a real Loki while it is stopped and comes back: every event is
// shown, each once, and the command ends in order when it is interrupted.
func TestTail(t *testing.T) {
	loki := lokitest.Start(t)
	exp, err := exporter.New(exporter.WithLoki(adminsessions.Loki{URL: loki.URL()}), exporter.WithSpoolDir(t.TempDir()),
		exporter.WithBackoff(10*time.Millisecond, 200*time.Millisecond), exporter.WithLogger(slog.New(slog.DiscardHandler)),
		exporter.WithResource(resource.NewSchemaless(attribute.String("service.name", "panel"))))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	record := func() {
		n++
		e := adminsessions.Event{Time: time.Now(), Type: adminsessions.API, Method: "GET", StatusCode: 200, RequestID: fmt.Sprint("r", n), URL: fmt.Sprintf("https://panel.example/number-%d-", n)}
		if err := exp.RecordEvent(t.Context(), &e, adminsessions.Spooled); err != nil {
			t.Error(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, errs := newOutput(), newOutput()
	ended := make(chan int, 1)
	record()
	if err := exp.ForceFlush(ctx); err != nil {
		t.Fatal(err)
	}
	go func() {
		ended <- run(ctx, []string{"tail", "--loki-url", loki.URL(), "--every", "200ms", "--service", "panel", "--color", "never"},
			&program{stdout: out, stderr: errs, getenv: func(string) string { return "" }, logger: slog.New(slog.DiscardHandler)})
	}()
	out.wait(t, "/number-1-", 1) // it begins with what was there
	for range 20 {
		record()
	}
	out.wait(t, "/number-21-", 1)
	loki.Stop()
	for range 20 {
		record()
	}
	errs.wait(t, "Loki does not answer", 1)
	loki.Restart()
	out.wait(t, "/number-41-", 1)
	errs.wait(t, "Loki answers again", 1)
	record()
	out.wait(t, "/number-42-", 1)
	stop()
	if status := <-ended; status != exitOK {
		t.Errorf("status %d, %s", status, errs)
	}
	for i := 1; i <= n; i++ {
		if times := strings.Count(out.String(), fmt.Sprintf("/number-%d-", i)); times != 1 {
			t.Errorf("event %d was shown %d times", i, times)
		}
	}
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := exp.Shutdown(ending); err != nil {
		t.Error(err)
	}
}

// TestDoctorOfABadLoki examines a real Loki that is set up as a trail must not be.
func TestDoctorOfABadLoki(t *testing.T) {
	loki := lokitest.Start(t, lokitest.WithEnv("LOKI_RETENTION=168h"),
		lokitest.WithArgs("-shard-streams.enabled=true", "-querier.cache-results=true", "-store.max-query-length=721h", "-compactor.deletion-mode=filter-and-delete"))
	status, out, errs := try(t, "doctor", "--loki-url", loki.URL(), "--keep", "1y", "--color", "never")
	if status != 1 || errs != "" {
		t.Errorf("status %d, %s", status, errs)
	}
	for _, want := range []string{
		"DOUBLES    limits_config.shard_streams.enabled: true\n",
		"HIDES      query_range.cache_results: true\n",
		"HIDES      limits_config.max_query_length: 30d1h\n",
		"LOSES      limits_config.deletion_mode: filter-and-delete\n",
		"LOSES      limits_config.retention_period: 1w\n",
		"HIDES      limits_config.reject_old_samples_max_age: 1w\n",
		"LOSES      deleting: the API for it answers\n",
		"7 findings by which events would be lost",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestNoSecretIsPrinted has a password refused by Loki, which repeats what it was
// sent.
func TestNoSecretIsPrinted(t *testing.T) {
	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte("pa55word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"search", "doctor", "who", "sessions", "verify", "report", "export", "tail"} {
		_, out, errs := try(t, command, "--loki-url", "http://127.0.0.1:1", "--loki-username", "anna", "--loki-password-file", file)
		if strings.Contains(out+errs, "pa55word") || errs == "" {
			t.Errorf("%s: %s%s", command, out, errs)
		}
	}
}

// TestExportIsGoneOnWith breaks an export off again and again, between batches and
// in the middle of an answer: what is resumed in the end is what one export in one
// go has written.
func TestExportIsGoneOnWith(t *testing.T) {
	loki := lokitest.Start(t)
	const events = 7000
	start := time.Now().Add(-time.Hour)
	stream := lokitest.Stream{Labels: map[string]string{"service_name": "panel", "audit_log_id": "a"}}
	for i := range events {
		at := start.Add(time.Duration(i) * 100 * time.Millisecond)
		e := adminsessions.Event{Time: at, Type: adminsessions.API, Method: "GET", StatusCode: 200, URL: fmt.Sprintf("https://panel.example/%d", i)}
		stream.Entries = append(stream.Entries, lokitest.Entry{Time: at, Line: fmt.Sprintf("%s\tseq=%d", e.Line(), i+1)})
	}
	if err := loki.Push(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	behind, err := url.Parse(loki.URL())
	if err != nil {
		t.Fatal(err)
	}
	var asked, failing atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case failing.Load() == 1 && n == 2:
			http.Error(w, "broken", http.StatusInternalServerError)
		case failing.Load() == 2 && n == 2: // the answer is cut
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"streams","result":[`)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	for _, form := range []string{"ndjson", "csv"} {
		export := func(name string, more ...string) (int, string) {
			asked.Store(0)
			status, _, errs := try(t, append([]string{"export", "--loki-url", server.URL, "--service", "panel", "--from", "61m", "-o", filepath.Join(dir, name+"."+form)}, more...)...)
			return status, errs
		}
		failing.Store(0)
		if status, errs := export("whole"); status != exitOK {
			t.Fatalf("status %d, %s", status, errs)
		}
		failing.Store(1)
		status, errs := export("pieces")
		for pieces := 1; status != exitOK; pieces++ {
			if status != exitFailure || pieces > 20 {
				t.Fatalf("piece %d: status %d, %s", pieces, status, errs)
			}
			failing.Store(int64(1 + pieces%2))
			status, errs = export("pieces", "--resume")
		}
		whole, err1 := os.ReadFile(filepath.Join(dir, "whole."+form))
		pieces, err2 := os.ReadFile(filepath.Join(dir, "pieces."+form))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(whole, []byte("\n")); lines < events || !bytes.Equal(whole, pieces) {
			t.Errorf("%s: %d lines in one go, %d in pieces", form, lines, bytes.Count(pieces, []byte("\n")))
		}
		left, err := filepath.Glob(filepath.Join(dir, "*.part*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	}
}

// TestReportKnowsAddresses tells an address that is new from one that the
// administrator came from weeks ago, whoever else did, and finds gaps and doubles by
// the numbers of all events, the trail's own included.
func TestReportKnowsAddresses(t *testing.T) {
	loki := lokitest.Start(t)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	n := 0
	event := func(at time.Time, email, id, ip string) lokitest.Entry {
		n++
		e := adminsessions.Event{Time: at, Type: adminsessions.API, Method: "GET", StatusCode: 200, URL: "https://panel.example/", User: adminsessions.User{ID: id, Email: email}, ClientAddress: netip.MustParseAddr(ip)}
		return lokitest.Entry{Time: at, Line: fmt.Sprintf("%s\tseq=%d", e.Line(), n)}
	}
	weeksAgo, yesterday := today.AddDate(0, 0, -20).Add(5*time.Hour), today.AddDate(0, 0, -1).Add(time.Hour)
	entries := []lokitest.Entry{
		event(weeksAgo, "anna@example.com", "2", "10.0.0.1"),
		event(weeksAgo.Add(1), "bob@example.com", "7", "10.0.0.2"),
		event(weeksAgo.Add(2), "", "svc 9", "10.0.0.9"),
		event(yesterday, "anna@example.com", "2", "10.0.0.1"),
		event(yesterday.Add(1), "anna@example.com", "2", "10.0.0.2"), // bob's
		event(yesterday.Add(2), "", "svc 9", "10.0.0.9"),
		event(yesterday.Add(3), "eve@example.com", "", "2001:db8::1"),
	}
	n += 3 // three are missing
	entries = append(entries, event(yesterday.Add(4), "bob@example.com", "7", "10.0.0.2"))
	if err := loki.Push(t.Context(), lokitest.Stream{Labels: map[string]string{"service_name": "panel", "service_instance_id": "panel-0", "audit_log_id": "a"}, Entries: entries}); err != nil {
		t.Fatal(err)
	}
	status, out, errs := try(t, "report", "--loki-url", loki.URL(), "--utc", "--json")
	var r struct {
		Events, Missing int64
		Addresses       []struct{ Who, Address string } `json:"new_addresses"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: status %d, %s%s", err, status, out, errs)
	}
	var fresh []string
	for _, a := range r.Addresses {
		fresh = append(fresh, a.Who+" "+a.Address)
	}
	if got := strings.Join(fresh, ", "); got != "anna@example.com 10.0.0.2, eve@example.com 2001:db8::1" {
		t.Errorf("new addresses: %s", got)
	}
	if status != 1 || r.Missing != 3 || r.Events != 5 {
		t.Errorf("status %d, %d missing of %d", status, r.Missing, r.Events)
	}
}
