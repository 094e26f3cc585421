package pipeline

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
)

// answers are the ways in which what stands before Loki can answer wrongly.
var answers = []struct {
	name  string
	fault fault
	// health is a part of what Health says meanwhile.
	health string
	// stored: Loki has the events, and its answer is lost.
	stored bool
}{
	{
		name: "429 with Retry-After", health: "429",
		fault: answerWith(http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}, "slow down"),
	},
	{
		name: "500", health: "500",
		fault: answerWith(http.StatusInternalServerError, nil, "internal error"),
	},
	{
		name: "502 with a page", health: "502",
		fault: answerWith(http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}}, "<html>Bad Gateway</html>"),
	},
	{
		name: "503", health: "503",
		fault: answerWith(http.StatusServiceUnavailable, nil, ""),
	},
	{
		name: "404 of a wrong path", health: "404",
		fault: answerWith(http.StatusNotFound, nil, "404 page not found"),
	},
	{
		name: "redirect to a login page", health: "302",
		fault: answerWith(http.StatusFound, http.Header{"Location": {"/login"}}, ""),
	},
	{
		name: "login page with 200", health: "200",
		fault: answerWith(http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<html>Please sign in</html>"),
	},
	{
		name: "garbage instead of HTTP", health: "malformed HTTP",
		fault: func(w http.ResponseWriter, _ *http.Request, _ func(http.ResponseWriter)) {
			sayAndHangUp(w, "\x15\x03\x01\x00\x02\x02\x16 SSH-2.0-OpenSSH_9.6\r\n")
		},
	},
	{
		name: "connection reset before Loki has it", health: "reset by peer",
		fault: func(w http.ResponseWriter, _ *http.Request, _ func(http.ResponseWriter)) { reset(w) },
	},
	{
		name: "reset when Loki has it", health: "reset by peer", stored: true,
		fault: loseAnswer,
	},
	{
		name: "cut within the status line", health: "malformed HTTP", stored: true,
		fault: func(w http.ResponseWriter, _ *http.Request, forward func(http.ResponseWriter)) {
			forward(nil)
			sayAndHangUp(w, "HTTP/1.1 20")
		},
	},
	{
		name: "cut within the header", health: "EOF", stored: true,
		fault: func(w http.ResponseWriter, _ *http.Request, forward func(http.ResponseWriter)) {
			forward(nil)
			sayAndHangUp(w, "HTTP/1.1 204 No Content\r\nDate: Sun")
		},
	},
	{
		name: "cut within the body", health: "EOF", stored: true,
		fault: func(w http.ResponseWriter, _ *http.Request, forward func(http.ResponseWriter)) {
			forward(nil)
			sayAndHangUp(w, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
		},
	},
	{
		name: "answer later than the timeout", health: "deadline exceeded", stored: true,
		fault: func(_ http.ResponseWriter, r *http.Request, forward func(http.ResponseWriter)) {
			forward(nil)
			<-r.Context().Done() // the exporter hangs up
		},
	},
	{
		name: "500 though Loki has it", health: "500", stored: true,
		fault: func(w http.ResponseWriter, _ *http.Request, forward func(http.ResponseWriter)) {
			forward(nil)
			w.WriteHeader(http.StatusInternalServerError)
		},
	},
}

// TestAnswers lets every push be answered wrongly for a while: nothing is taken
// for delivered, recording goes on, Health says what is wrong, and when the
// answers are right again everything is in Loki once.
func TestAnswers(t *testing.T) {
	loki := startLoki(t)
	for _, test := range answers {
		t.Run(test.name, func(t *testing.T) {
			instance := strings.ReplaceAll(test.name, " ", "-")
			proxy := startProxy(t, loki)
			var more []exporter.Option
			if test.stored {
				// Only here: on a slow machine it loses answers of its own.
				more = append(more, within(proxy.URL, 300*time.Millisecond))
			}
			r := record(t, "answers", exporterOptions(proxy.URL, t.TempDir(), instance, more...))
			r.traffic(200)
			r.flush(t)

			proxy.inject(test.fault)
			r.traffic(200)
			await(t, "three faulty answers", func() bool { return proxy.faults() >= 3 })
			if err := r.Health(); err == nil || !strings.Contains(err.Error(), test.health) {
				t.Errorf("health = %v, want %q in it", err, test.health)
			}
			if err := r.Ready(); err != nil {
				t.Errorf("not ready: %v; recording does not depend on Loki", err)
			}
			if b := r.backlog(); !about(b, 2*200) {
				t.Errorf("backlog = %d events, want the %d of which no answer has come", b, 2*200)
			}
			r.traffic(100)

			proxy.inject(nil)
			r.verify(t, newTrail(loki, instance), expectation{resent: test.stored})
			if test.stored {
				verifyIdenticalResends(t, proxy.seen())
			}
		})
	}
}

// verifyIdenticalResends checks that each push whose answer was lost was sent
// again byte for byte: only then Loki knows it.
func verifyIdenticalResends(t *testing.T, pushes []push) {
	t.Helper()
	for i, lost := range pushes {
		if !lost.faulty {
			continue
		}
		again := false
		for _, later := range pushes[i+1:] {
			again = again || later.body == lost.body
		}
		if !again {
			t.Errorf("push %d, whose answer was lost, was not sent again as it was", i+1)
		}
	}
}

// TestRetryAfter checks that Retry-After is obeyed.
func TestRetryAfter(t *testing.T) {
	loki := startLoki(t)
	proxy := startProxy(t, loki)
	proxy.inject(answerWith(http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}}, ""))
	r := record(t, "retry", exporterOptions(proxy.URL, t.TempDir(), "retry-after"))
	r.traffic(1)
	await(t, "the first push", func() bool { return proxy.faults() == 1 })
	proxy.inject(nil)
	r.verify(t, newTrail(loki, "retry-after"), expectation{})
	pushes := proxy.seen()
	if wait := pushes[1].at.Sub(pushes[0].at); wait < 2*time.Second {
		t.Errorf("pushed again after %s, Loki had asked for 2s", wait)
	}
}

// TestWrongPassword begins with a wrong password. Nothing is given up; as soon
// as the password file is right, without a restart, the trail is delivered.
func TestWrongPassword(t *testing.T) {
	const right = "correct horse"
	loki := startLoki(t)
	proxy := startProxy(t, loki)
	proxy.inject(func(w http.ResponseWriter, r *http.Request, forward func(http.ResponseWriter)) {
		if user, password, _ := r.BasicAuth(); user != "panel" || password != right {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "no such user")
			return
		}
		forward(w)
	})
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := record(t, "password", exporterOptions(proxy.URL, t.TempDir(), "password",
		exporter.WithLoki(adminsessions.Loki{URL: proxy.URL, Username: "panel", PasswordFile: file})))
	r.traffic(200)
	await(t, "three refusals", func() bool { return proxy.faults() >= 3 })
	if err := r.Health(); err == nil || !strings.Contains(err.Error(), "401: no such user") {
		t.Errorf("health = %v, want the 401 and its words", err)
	}
	if err := os.WriteFile(file, []byte(right), 0o600); err != nil {
		t.Fatal(err)
	}
	r.verify(t, newTrail(loki, "password"), expectation{})
}
