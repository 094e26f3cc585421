package recordtest

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
)

// Sink is a provider that keeps the events it is given. The zero Sink is ready.
type Sink struct {
	noop.LoggerProvider

	// Unsynced, if set, is what Sync returns.
	Unsynced error

	// Fail, if set, is asked first for each event; an event it has an error
	// for is not kept.
	Fail func(context.Context, *adminsessions.Event, adminsessions.Durability) error

	mu       sync.Mutex
	events   []adminsessions.Event
	levels   []adminsessions.Durability
	synced   int
	policies []adminsessions.Event
	digest   string
}

var _ adminsessions.Sink = (*Sink)(nil)

// RecordEvent keeps a copy of the event.
func (s *Sink) RecordEvent(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	if s.Fail != nil {
		if err := s.Fail(ctx, e, d); err != nil {
			return err
		}
	}
	kept := *e
	kept.Attributes = slices.Clone(e.Attributes)
	kept.Cut = slices.Clone(e.Cut)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, kept)
	s.levels = append(s.levels, d)
	return nil
}

// Sync returns Unsynced. What was recorded before it was called is synced then.
func (s *Sink) Sync(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Unsynced == nil {
		s.synced = len(s.events)
	}
	return s.Unsynced
}

// Synced is how many of the events have been synced.
func (s *Sink) Synced() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced
}

// RecordPolicy keeps what a middleware says of itself, apart from the events.
func (s *Sink) RecordPolicy(_ context.Context, e *adminsessions.Event, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if digest != s.digest {
		s.digest = digest
		s.policies = append(s.policies, *e)
	}
	return nil
}

// Policies returns what middlewares have said of themselves.
func (s *Sink) Policies() []adminsessions.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.policies)
}

// Events returns the events kept so far.
func (s *Sink) Events() []adminsessions.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Levels returns with what durability each event was asked for.
func (s *Sink) Levels() []adminsessions.Durability {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.levels)
}

// Only returns the one event there must be.
func (s *Sink) Only(t testing.TB) adminsessions.Event {
	t.Helper()
	events := s.Events()
	if len(events) != 1 {
		t.Fatalf("%d events recorded, want 1: %v", len(events), Lines(events))
	}
	return events[0]
}

// Lines are the lines of events, for messages.
func Lines(events []adminsessions.Event) []string {
	var lines []string
	for i := range events {
		lines = append(lines, events[i].Line())
	}
	return lines
}

// Ask sends a request to h over a real connection, and returns the one event
// that s has when the handler has ended. That there is no answer, as after a
// panic, is no failure.
func Ask(t testing.TB, s *Sink, h http.Handler, method, path string) adminsessions.Event {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := srv.Client().Do(r); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body) // a client that hangs up is another event
		_ = resp.Body.Close()
	}
	srv.Close()
	return s.Only(t)
}
