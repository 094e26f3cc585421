package instrumentation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

func newRecorder(t *testing.T, s *recordtest.Sink, opts ...instrumentation.Option) *instrumentation.Recorder {
	t.Helper()
	r, err := instrumentation.NewRecorder(append(opts, instrumentation.WithLoggerProvider(s))...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDo(t *testing.T) {
	var s recordtest.Sink
	r := newRecorder(t, &s)
	err := r.Do(t.Context(), instrumentation.Act{
		Action: "invoices.remind", Cause: "req-1", Reason: "monthly\nrun", User: anna,
		Actor: adminsessions.Actor{Type: adminsessions.ActorService, CredentialID: "key-7", TenantID: "acme"},
	}, func(ctx context.Context) error {
		if len(s.Events()) != 0 {
			t.Error("it is on record before it has ended")
		}
		instrumentation.SetResource(ctx, adminsessions.Resource{Type: "invoice", ID: "42", Name: `x" status="200`})
		instrumentation.Changed(ctx, map[string]any{"sent": false, "password": "a"}, map[string]any{"sent": true, "password": "b"})
		instrumentation.Annotate(ctx, "reminded; token=ghp_0123456789abcdefghijklmnopqrstuvwxyzA")
		if id := instrumentation.RequestID(ctx); len(id) != 20 {
			t.Errorf("its id is %q", id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	e := s.Only(t)
	if e.Type != adminsessions.Job || e.EventName() != "admin.act" || e.Action != "invoices.remind" || e.Outcome != adminsessions.OutcomeSuccess ||
		e.Cause != "req-1" || e.Reason != "monthly□run" || e.User != anna || e.Actor.CredentialID != "key-7" || e.Actor.TenantID != "acme" ||
		e.Resource.ID != "42" || e.Stage != adminsessions.Complete || e.ErrorType != "" || e.StatusCode != 0 || e.Method != "" {
		t.Errorf("recorded %+v", e)
	}
	want := []adminsessions.Change{{Field: "password", Old: "REDACTED", New: "REDACTED"}, {Field: "sent", Old: "false", New: "true"}}
	if !slices.Equal(e.Changes, want) {
		t.Errorf("changes %q", e.Changes)
	}
	line := e.Line()
	if !strings.HasPrefix(line, "type=JOB method=- status=- email="+anna.Email+" ") || strings.Contains(line, "ghp_") {
		t.Errorf("line %s", line)
	}
	back, err := adminsessions.ParseLine(line)
	if err != nil || back.Resource.Name != `x" status="200` || back.StatusCode != 0 || back.Cause != "req-1" {
		t.Errorf("read back %+v, %v", back, err)
	}
}

func TestHowAnActEnds(t *testing.T) {
	type badError struct{ error }
	for _, c := range []struct {
		name    string
		f       func(context.Context) error
		outcome adminsessions.Outcome
		typ     string
	}{
		{"done", func(context.Context) error { return nil }, "success", ""},
		{"failed", func(context.Context) error { return fmt.Errorf("mail 7: %w", errors.New("no")) }, "failure", "error"},
		{"failed with a type", func(context.Context) error {
			return fmt.Errorf("read: %w", &fs.PathError{Op: "open", Path: "/secret", Err: fs.ErrNotExist})
		}, "failure", "*fs.PathError"},
		{"not allowed", func(context.Context) error { return fmt.Errorf("delete: %w", os.ErrPermission) }, "denied", "error"},
		{"called off", func(context.Context) error { return context.Canceled }, "failure", "canceled"},
		{"too late", func(context.Context) error { return fmt.Errorf("x: %w", context.DeadlineExceeded) }, "failure", "timeout"},
		{"joined", func(context.Context) error { return errors.Join(errors.New("a"), errors.New("b")) }, "failure", "error"},
		{"an error that panics", func(context.Context) error { return badError{} }, "failure", ""},
		{"says so itself", func(ctx context.Context) error {
			instrumentation.SetOutcome(ctx, adminsessions.OutcomeDenied)
			return errors.New("no")
		}, "denied", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s recordtest.Sink
			var want error
			got := newRecorder(t, &s).Do(t.Context(), instrumentation.Act{Action: "a.b"}, func(ctx context.Context) error {
				want = c.f(ctx)
				return want
			})
			if fmt.Sprintf("%p", got) != fmt.Sprintf("%p", want) && c.name == "failed" {
				t.Error("Do returns another error")
			}
			e := s.Only(t)
			if e.Outcome != c.outcome || c.typ != "" && e.ErrorType != c.typ || strings.Contains(e.Line(), "secret") {
				t.Errorf("recorded %s", e.Line())
			}
		})
	}
}

func TestActsThatDoNotReturn(t *testing.T) {
	var s recordtest.Sink
	r := newRecorder(t, &s)
	func() {
		defer func() {
			if v := recover(); v != "no disk" {
				t.Errorf("the panic that went on is %v", v)
			}
		}()
		_ = r.Do(t.Context(), instrumentation.Act{Action: "a.b"}, func(context.Context) error { panic("no disk") })
	}()
	var ended sync.WaitGroup
	ended.Go(func() {
		_ = r.Do(t.Context(), instrumentation.Act{Action: "a.c"}, func(context.Context) error { runtime.Goexit(); return nil })
	})
	ended.Wait()
	events := s.Events()
	if len(events) != 2 || events[0].ErrorType != "panic: string" || events[1].ErrorType != "goexit" ||
		events[0].Outcome != "error" || events[1].Outcome != "error" {
		t.Errorf("recorded %q", recordtest.Lines(events))
	}
}

// An act that is done for a request says which, and for whom.
func TestCauses(t *testing.T) {
	var s recordtest.Sink
	r := newRecorder(t, &s)
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return anna }),
		instrumentation.WithSessionID(func(*http.Request) string { return "s" }, make([]byte, 16)))
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context) error { return nil }
	do := func(ctx context.Context, a instrumentation.Act, f func(context.Context) error) {
		if err := r.Do(ctx, a, f); err != nil {
			t.Error(err)
		}
	}
	var id, inner string
	var later context.Context
	mw(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		ctx := req.Context()
		id, later = instrumentation.RequestID(ctx), context.WithoutCancel(ctx)
		instrumentation.SetTarget(ctx, adminsessions.User{ID: "9"})
		instrumentation.SetActor(ctx, adminsessions.Actor{Type: adminsessions.ActorUser, TenantID: "acme"})
		do(ctx, instrumentation.Act{Type: adminsessions.MCP, Action: "tool.call"}, func(ctx context.Context) error {
			inner = instrumentation.RequestID(ctx)
			do(ctx, instrumentation.Act{Action: "nested.job"}, nothing)
			return nil
		})
		if !instrumentation.Annotate(ctx, "still the request's") {
			t.Error("the request's own record is lost")
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/x", nil))
	do(later, instrumentation.Act{Action: "later.job"}, nothing)
	do(later, instrumentation.Act{Action: "key.job", Actor: adminsessions.Actor{CredentialID: "key-7"}}, nothing)
	do(later, instrumentation.Act{Action: "system.job", Actor: adminsessions.Actor{Type: adminsessions.ActorSystem}}, nothing)
	do(later, instrumentation.Act{Action: "other.job", User: adminsessions.User{ID: "1"}, Cause: "elsewhere"}, nothing)
	do(t.Context(), instrumentation.Act{Action: "lonely.job"}, nothing)
	do(t.Context(), instrumentation.Act{Type: adminsessions.Trail, Action: "trail.started"}, nothing)

	byAction := map[string]adminsessions.Event{}
	for _, e := range s.Events() {
		byAction[e.Action] = e
	}
	for _, c := range []struct {
		action, cause, user, target string
		actor                       adminsessions.ActorType
		typ                         adminsessions.Type
	}{
		{"tool.call", id, anna.ID, "9", "agent", adminsessions.MCP},
		{"nested.job", inner, anna.ID, "9", "agent", adminsessions.Job},
		{"later.job", id, anna.ID, "9", "user", adminsessions.Job},
		{"key.job", id, anna.ID, "9", "user", adminsessions.Job},
		{"system.job", id, anna.ID, "9", "system", adminsessions.Job},
		{"other.job", "elsewhere", "1", "", "", adminsessions.Job},
		{"lonely.job", "", "", "", "system", adminsessions.Job},
		{"trail.started", "", "", "", "system", adminsessions.Job},
	} {
		e, ok := byAction[c.action]
		if !ok || e.Cause != c.cause || e.User.ID != c.user || e.Target.ID != c.target || e.Actor.Type != c.actor || e.Type != c.typ {
			t.Errorf("%s: %s", c.action, e.Line())
		}
		if tenant := e.Actor.TenantID; (tenant == "acme") != (c.target != "") || c.action == "key.job" && e.Actor.CredentialID != "key-7" {
			t.Errorf("%s: acts with %+v", c.action, e.Actor)
		}
		if c.target != "" && e.SessionID != byAction["create"].SessionID && e.SessionID == "" {
			t.Errorf("%s: no session", c.action)
		}
	}
}

// A request that an act sends through the panel's own handlers is recorded.
func TestRequestsWithinAnAct(t *testing.T) {
	var s recordtest.Sink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s))
	if err != nil {
		t.Fatal(err)
	}
	if err := newRecorder(t, &s).Do(t.Context(), instrumentation.Act{Action: "a.b"}, func(ctx context.Context) error {
		mw(ok).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/clients", nil))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if events := s.Events(); len(events) != 2 || events[0].Action != "clients.list" || events[1].Action != "a.b" {
		t.Errorf("recorded %q", recordtest.Lines(events))
	}
}

func TestLongActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s recordtest.Sink
		counted := instrumentationmetrics.New()
		r := newRecorder(t, &s, instrumentation.WithStartedAfter(time.Minute), instrumentation.WithMetrics(counted))
		if err := r.Do(t.Context(), instrumentation.Act{Type: adminsessions.CLI, Action: "backup.run"}, func(context.Context) error {
			time.Sleep(2 * time.Minute)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		events := s.Events()
		if len(events) != 2 || events[0].Stage != adminsessions.Started || events[0].RequestID != events[1].RequestID ||
			events[0].Action != "backup.run" || events[0].Outcome != "" || events[1].Duration != 2*time.Minute {
			t.Errorf("recorded %q", recordtest.Lines(events))
		}
		if n := counted.Counters().Acts["CLI"].Load(); n != 1 {
			t.Errorf("%d acts counted", n)
		}
	})
}

func TestStrictActs(t *testing.T) {
	done := false
	f := func(context.Context) error { done = true; return nil }
	act := instrumentation.Act{Action: "keys.rotate", Strict: true}

	var s recordtest.Sink
	if err := newRecorder(t, &s).Do(t.Context(), act, f); err != nil || !done {
		t.Errorf("done %t, %v", done, err)
	}
	events := s.Events()
	if len(events) != 2 || events[0].Stage != adminsessions.Started || s.Levels()[0] != adminsessions.Synced || events[1].Outcome != "success" {
		t.Errorf("recorded %q", recordtest.Lines(events))
	}

	done = false
	full := &recordtest.Sink{Fail: func(_ context.Context, _ *adminsessions.Event, d adminsessions.Durability) error {
		if d == adminsessions.Synced {
			return errors.New("disk full")
		}
		return nil
	}}
	err := newRecorder(t, full, instrumentation.WithLogger(slog.New(slog.DiscardHandler))).Do(t.Context(), act, f)
	if done || err == nil || !strings.Contains(err.Error(), "keys.rotate not done") || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("done %t, %v", done, err)
	}
	if e := full.Only(t); e.Outcome != "error" || e.ErrorType != "record_unavailable" {
		t.Errorf("recorded %s", e.Line())
	}

	// Where nobody can say whether a record is safe, it is not done either.
	r, err := instrumentation.NewRecorder(instrumentation.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Do(t.Context(), act, f); err == nil || done {
		t.Errorf("done %t, %v", done, err)
	}
	if err := r.Do(t.Context(), instrumentation.Act{Action: "a.b"}, f); err != nil || !done {
		t.Errorf("without a provider an act is not done: %v", err)
	}
}

// What comes late is refused, and nothing that is said of an act makes it fail.
func TestActsWithstand(t *testing.T) {
	var s recordtest.Sink
	r := newRecorder(t, &s)
	var kept context.Context
	long := strings.Repeat("x", 1<<20)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	if err := r.Do(ctx, instrumentation.Act{
		Action: "a.b\tc" + long, Cause: "x\nseq=1" + long, Reason: long, Resource: adminsessions.Resource{Type: long, ID: long, Name: long},
		User: adminsessions.User{ID: long}, Actor: adminsessions.Actor{Type: adminsessions.ActorType(long), CredentialID: long, TenantID: long},
	}, func(ctx context.Context) error {
		kept = ctx
		instrumentation.SetRoute(ctx, "/a/{token}")
		instrumentation.SetAdmin(ctx, anna)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if instrumentation.SetReason(kept, "late") || instrumentation.SetActor(kept, adminsessions.Actor{}) {
		t.Error("a setter writes into a record that is made")
	}
	e := s.Only(t)
	line := e.Line()
	if len(line) > adminsessions.MaxLineBytes || bytes.ContainsAny([]byte(line), "\n") || strings.Count(line, "\t") != 1 || e.TraceID != span.TraceID() {
		t.Errorf("line of %d bytes: %.300q", len(line), line)
	}
	for _, name := range []string{"action", "cause", "reason", "object", "object_id", "object_name", "actor", "credential", "tenant", "id"} {
		if !slices.Contains(e.Cut, name) {
			t.Errorf("%s is not among what was cut: %q", name, e.Cut)
		}
	}
	if e.User != anna {
		t.Errorf("user %v", e.User)
	}
}
