package exporter

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The words are what Loki 3.7 answers.
func TestClassify(t *testing.T) {
	tests := []struct {
		status int
		text   string
		want   verdict
		label  string
	}{
		{204, "", delivered, ""},
		{200, "", hold, "unexpected"},
		{200, "<html>sign in", hold, "unexpected"},
		{206, "", hold, "unexpected"},
		{302, "", hold, "3xx"},
		{400, "entry for stream '{}' has timestamp too old: 2020-01-01", refused, "400"},
		{400, "entry too far behind, entry timestamp is: …, oldest acceptable timestamp is: …", refused, "400"},
		{400, "max entry size 262144 bytes exceeded for stream", refused, "400"},
		{400, "couldn't parse labels: 1:2: parse error", hold, "400"},
		{400, "snappy: corrupt input", hold, "400"},
		{400, "proto: illegal wireType 7", hold, "400"},
		{401, "no org id", hold, "401"},
		{403, "", hold, "403"},
		{404, "404 page not found", hold, "404"},
		{405, "", hold, "4xx"},
		{408, "", again, "4xx"},
		{413, "", tooLarge, "413"},
		{422, "stream limit", refused, "4xx"},
		{429, "Ingestion rate limit exceeded", throttled, "429"},
		{500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)", tooLarge, "500"},
		{500, "at least 1 live replicas required", again, "500"},
		{502, "", again, "502"},
		{503, "", again, "503"},
		{504, "", again, "504"},
		{599, "", again, "5xx"},
		{700, "", again, "unexpected"},
	}
	for _, tt := range tests {
		got := classify(tt.status, tt.text)
		if got.verdict != tt.want || got.status != tt.label {
			t.Errorf("%d %q: verdict %d status %q, want %d %q", tt.status, tt.text, got.verdict, got.status, tt.want, tt.label)
		}
		if (got.err == nil) != (tt.want == delivered) {
			t.Errorf("%d %q: error %v", tt.status, tt.text, got.err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0, "99999999": maxRetryAfter,
		"Sun, 22 Nov 2026 10:00:30 GMT": 30 * time.Second,
		"Sun, 22 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", header, got, want)
		}
	}
}

// An answer counts only when all of it has come.
func TestPushAnswersThatAreNotWhole(t *testing.T) {
	hang := make(chan struct{})
	tests := map[string]struct {
		handler http.HandlerFunc
		status  string
	}{
		"connection cut before the answer": {func(w http.ResponseWriter, _ *http.Request) { hijack(t, w, "") }, "transport"},
		"connection cut in the status line": {func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 20")
		}, "transport"},
		"connection cut in the body": {func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
		}, "transport"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) { hijack(t, w, "\x00\x01\x02\r\n\r\n") }, "transport"},
		"no answer in time": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-hang
		}, "timeout"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tt.handler)
			p := &pusher{client: srv.Client(), url: srv.URL, timeout: 200 * time.Millisecond}
			a := p.push(t.Context(), []byte("x"))
			if a.verdict != again || a.status != tt.status {
				t.Errorf("verdict %d, status %q (%v), want again and %q", a.verdict, a.status, a.err, tt.status)
			}
		})
	}
	close(hang)
}

func hijack(t *testing.T, w http.ResponseWriter, answer string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, answer); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestPushRequest(t *testing.T) {
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	p := &pusher{client: srv.Client(), url: srv.URL + pushPath, tenant: "acme", timeout: time.Minute}
	if a := p.push(t.Context(), []byte("x")); a.verdict != delivered {
		t.Fatal(a.err)
	}
	if got.Method != "POST" || got.URL.Path != "/loki/api/v1/push" ||
		got.Header.Get("X-Scope-OrgID") != "acme" || got.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("request %s %s %v", got.Method, got.URL, got.Header)
	}
}

// A push that has timed out must not be read any more when send returns: its
// memory is used again.
func TestTimedOutPushLetsGoOfItsBody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // nobody accepts; the kernel takes what its buffers hold
	p := &pusher{client: &http.Client{}, url: "http://" + listener.Addr().String(), timeout: 50 * time.Millisecond}
	body := make([]byte, 8<<20)
	for range 2 {
		if a := p.push(t.Context(), body); a.verdict != again || a.status != "timeout" {
			t.Errorf("verdict %d, status %q: %v", a.verdict, a.status, a.err)
		}
		for i := range body { // the race detector watches
			body[i]++
		}
	}
}
