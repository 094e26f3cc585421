package instrumentation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// reset sends a request and cuts the connection, with a reset, as soon as
// arrived says that it is there.
func reset(t *testing.T, srv *httptest.Server, request string, arrived <-chan struct{}) {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// ending is h, and a channel that is closed when h has ended once.
func ending(h http.Handler) (http.Handler, <-chan struct{}) {
	ended := make(chan struct{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		h.ServeHTTP(w, r)
	}), ended
}

// quiet is a server that says nothing of panics.
func quiet(h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	return srv
}

// A client that hangs up does not choose what the record says of what was done.
func TestAClientThatHangsUpDoesNotChangeTheStatus(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 1<<20)
	for name, c := range map[string]struct {
		handler   http.HandlerFunc // runs when the client has gone
		status    int
		errorType string
	}{
		"204":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, 204, "client_gone"},
		"403":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, 403, "client_gone"},
		"303":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusSeeOther) }, 303, "client_gone"},
		"500":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, 500, "client_gone"},
		"written": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, 200, "client_gone"},
		"a lot is written": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			for range 8 {
				_, _ = w.Write(big)
			}
		}, 201, "client_gone"},
		"flushed": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
		}, 202, "client_gone"},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, 499, "client_gone"},
		"panic of the write's error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			panic(errors.New("write: broken pipe"))
		}, 204, "client_gone, panic: *errors.errorString"},
		"abort": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			panic(http.ErrAbortHandler)
		}, 204, "client_gone"},
		"abort without an answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 499, "client_gone"},
		"panic without an answer": {func(http.ResponseWriter, *http.Request) { panic("bug") }, 500, "client_gone, panic: string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s sink
			arrived := make(chan struct{}) // closed by the handler
			h, ended := ending(newMiddleware(t, &s)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-r.Context().Done()
				c.handler(w, r)
			})))
			srv := quiet(h)
			reset(t, srv, "DELETE /admin/clients/7 HTTP/1.1\r\nHost: x\r\n\r\n", arrived)
			<-ended
			srv.Close()
			if e := s.Only(t); e.StatusCode != c.status || e.ErrorType != c.errorType {
				t.Errorf("recorded %d %q, want %d %q", e.StatusCode, e.ErrorType, c.status, c.errorType)
			}
		})
	}
}

// A proxying handler aborts when its client has gone, and when its backend has.
func TestAProxyThatAborts(t *testing.T) {
	backend := quiet(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	var s sink
	srv := quiet(newMiddleware(t, &s)(proxy))
	if resp, err := srv.Client().Get(srv.URL + "/x"); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	srv.Close()
	if e := s.Only(t); e.StatusCode != 200 || e.ErrorType != "abort" {
		t.Errorf("recorded %d %q", e.StatusCode, e.ErrorType)
	}
}

// http.TimeoutHandler outside has answered when the time is over, whatever the
// handler says then.
func TestTimeoutHandlerOutside(t *testing.T) {
	const limit = time.Second
	for name, c := range map[string]struct {
		before, after func(http.ResponseWriter, *http.Request)
		panics        bool
		errorType     string
	}{
		"nothing":         {nil, nil, false, "timeout"},
		"204":             {nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, false, "timeout, handler 204"},
		"403":             {nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, false, "timeout, handler 403"},
		"303":             {nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusSeeOther) }, false, "timeout, handler 303"},
		"500 with a body": {nil, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, false, "timeout, handler 500"},
		"201 in time, but it goes on": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }, nil, false,
			"timeout, handler 201"},
		"written in time, but it goes on": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, nil, false,
			"timeout, handler 200"},
	} {
		for place, around := range map[string]func(http.Handler) http.Handler{
			"directly":       func(h http.Handler) http.Handler { return h },
			"with something": unwrapping,
		} {
			t.Run(name+" "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var s sink
					h := http.TimeoutHandler(around(newMiddleware(t, &s)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if c.before != nil {
							c.before(w, r)
						}
						<-r.Context().Done()
						if c.after != nil {
							c.after(w, r)
						}
					}))), limit, "too slow")
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("DELETE", "/", nil))
					synctest.Wait()
					if e := s.Only(t); w.Code != e.StatusCode || e.StatusCode != 503 || e.ErrorType != c.errorType {
						t.Errorf("sent %d, recorded %d %q, want %q", w.Code, e.StatusCode, e.ErrorType, c.errorType)
					}
				})
			})
		}
	}
}

// unwrapping is a middleware whose writer can be unwrapped.
func unwrapping(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(unwrappable{w}, r) })
}

type unwrappable struct{ http.ResponseWriter }

func (w unwrappable) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Within the time, and with a deadline that is not TimeoutHandler's, the
// handler's answer is what is sent.
func TestAnswersWithinADeadline(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(http.StatusNoContent)
	})
	deadline := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	for name, h := range map[string]func(mw func(http.Handler) http.Handler) http.Handler{
		"TimeoutHandler": func(mw func(http.Handler) http.Handler) http.Handler {
			return http.TimeoutHandler(mw(answer), time.Second, "")
		},
		"a context's":        func(mw func(http.Handler) http.Handler) http.Handler { return deadline(mw(answer)) },
		"a context's, later": func(mw func(http.Handler) http.Handler) http.Handler { return deadline(mw(late)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s sink
				w := httptest.NewRecorder()
				h(newMiddleware(t, &s)).ServeHTTP(w, httptest.NewRequest("DELETE", "/", nil))
				if e := s.Only(t); w.Code != 204 || e.StatusCode != 204 || e.ErrorType != "" {
					t.Errorf("sent %d, recorded %d %q", w.Code, e.StatusCode, e.ErrorType)
				}
			})
		})
	}
}

// When the server's time to write is over nothing arrives any more, and no
// handler is told.
func TestWriteTimeout(t *testing.T) {
	const limit = 500 * time.Millisecond
	past := func(r *http.Request) { // waits until the server's time is over
		timer := time.NewTimer(2 * limit)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			<-timer.C
		}
	}
	for name, c := range map[string]struct {
		handler   http.HandlerFunc
		status    int
		errorType string
	}{
		"in time":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, 200, ""},
		"200":            {func(w http.ResponseWriter, r *http.Request) { past(r); _, _ = io.WriteString(w, "ok") }, 200, "write_timeout"},
		"204":            {func(w http.ResponseWriter, r *http.Request) { past(r); w.WriteHeader(http.StatusNoContent) }, 204, "write_timeout"},
		"nothing":        {func(_ http.ResponseWriter, r *http.Request) { past(r) }, 200, "write_timeout"},
		"written before": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusCreated); past(r) }, 201, "write_timeout"},
		"flushed after": {func(w http.ResponseWriter, r *http.Request) {
			past(r)
			w.WriteHeader(http.StatusForbidden)
			_ = http.NewResponseController(w).Flush()
		}, 403, "write_timeout"},
		"the handler has given itself time": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
			past(r)
			_, _ = io.WriteString(w, "ok")
		}, 200, ""},
		"the handler has taken the limit away": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
			past(r)
			_, _ = io.WriteString(w, "ok")
		}, 200, ""},
		"the handler has given itself less": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
			_, _ = io.WriteString(w, "ok")
		}, 200, "write_timeout"},
	} {
		for _, proto := range []string{"HTTP/1", "HTTP/2"} {
			t.Run(name+" "+proto, func(t *testing.T) {
				t.Parallel()
				var s sink
				h, ended := ending(newMiddleware(t, &s)(c.handler))
				srv := httptest.NewUnstartedServer(h)
				srv.Config.WriteTimeout = limit
				srv.Config.ErrorLog = log.New(io.Discard, "", 0)
				if srv.EnableHTTP2 = proto == "HTTP/2"; srv.EnableHTTP2 {
					srv.StartTLS()
				} else {
					srv.Start()
				}
				arrived := 0
				if resp, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("x")); err == nil {
					arrived = resp.StatusCode
					_ = resp.Body.Close()
				}
				<-ended
				srv.Close()
				e := s.Only(t)
				if e.StatusCode != c.status || e.ErrorType != c.errorType {
					t.Errorf("recorded %d %q, want %d %q", e.StatusCode, e.ErrorType, c.status, c.errorType)
				}
				if c.errorType == "" && arrived != c.status {
					t.Errorf("the client got %d", arrived)
				}
			})
		}
	}
}

// The trail counts acts whoever hangs up: what is done is success.
func TestTheOutcomeIsTheHandlers(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		leave()
		w.WriteHeader(http.StatusNoContent)
	})
	e, _ := record(t, h, httptest.NewRequestWithContext(ctx, "DELETE", "/clients/7", nil))
	if line := e.Line(); e.DefaultOutcome() != adminsessions.OutcomeSuccess || !strings.Contains(line, " outcome=success ") {
		t.Errorf("recorded %s", line)
	}
}

// What a handler says of its error stands beside what the middleware saw.
func TestErrorTypesStandSideBySide(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave()
		instrumentation.FromContext(r.Context()).SetErrorType("db_conflict")
		w.WriteHeader(http.StatusConflict)
	})
	e, _ := record(t, h, httptest.NewRequestWithContext(ctx, "PUT", "/clients/7", nil))
	if got := fmt.Sprint(e.StatusCode, " ", e.ErrorType); got != "409 db_conflict, client_gone" {
		t.Errorf("recorded %s", got)
	}
}

// A status that net/http refuses, in a panic, is none: what a handler that
// recovers sends then is recorded.
func TestStatusesThatAreNone(t *testing.T) {
	for _, code := range []int{-1, 0, 99, 1000} {
		e, w := record(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			func() {
				defer func() { _ = recover() }()
				w.WriteHeader(code)
			}()
			w.WriteHeader(http.StatusAccepted)
		}), httptest.NewRequest("GET", "/a", nil))
		if e.StatusCode != http.StatusAccepted || w.Code != http.StatusAccepted {
			t.Errorf("%d, then 202: %d is recorded, %d sent", code, e.StatusCode, w.Code)
		}
	}
}
