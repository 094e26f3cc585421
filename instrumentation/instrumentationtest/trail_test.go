package instrumentationtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// said keeps what a test would have failed with.
type said struct {
	testing.TB
	text []string
}

func (s *said) Helper()           {}
func (s *said) Error(args ...any) { s.text = append(s.text, fmt.Sprint(args...)) }

func closing() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admin/clients/{id}/close", func(w http.ResponseWriter, r *http.Request) {
		instrumentation.SetResource(r.Context(), adminsessions.Resource{Name: "Acme"})
		instrumentation.Changed(r.Context(), map[string]string{"status": "active"}, map[string]string{"status": "closed"})
		instrumentation.Annotate(r.Context(), "closed", attribute.Int("panel.invoices", 3))
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func request() *http.Request {
	return httptest.NewRequest(http.MethodPost, "/admin/clients/7731/close", nil)
}

func event() adminsessions.Event {
	return adminsessions.Event{
		Action: "clients.close", Resource: adminsessions.Resource{Type: "clients", ID: "7731"},
		Changes: []adminsessions.Change{{Field: "status", Old: "active", New: "closed"}},
	}
}

func TestExpect(t *testing.T) {
	trail := New(t)
	if w := trail.Expect(closing(), request(), event()); w.Code != http.StatusNoContent {
		t.Errorf("answer %d", w.Code)
	}
	trail.Want() // nothing is left
	trail.Expect(closing(), request(), adminsessions.Event{
		Type: adminsessions.Web, Outcome: adminsessions.OutcomeSuccess, StatusCode: 204, Note: "closed", Stage: adminsessions.Complete,
		Attributes: []attribute.KeyValue{attribute.Int("panel.invoices", 3)},
	})
}

// A handler that records by itself is recorded once, here.
func TestAPanelWithItsOwnMiddleware(t *testing.T) {
	own := New(t)
	trail := New(t, instrumentation.WithLoggerProvider(own.provider))
	trail.Expect(own.Middleware(closing()), request(), event())
	own.Want()
}

func TestWantOfActs(t *testing.T) {
	trail := New(t)
	_ = trail.Recorder().Do(t.Context(), instrumentation.Act{Action: "invoices.remind"}, func(context.Context) error { return errors.New("no") })
	trail.Want(adminsessions.Event{Type: adminsessions.Job, Action: "invoices.remind", Outcome: adminsessions.OutcomeFailure})
}

func TestWhatIsToldOfDifferences(t *testing.T) {
	for _, c := range []struct {
		name        string
		want        []adminsessions.Event
		tell, never []string
	}{
		{"another action", []adminsessions.Event{{Action: "clients.delete"}}, []string{"the event is recorded otherwise", "- action clients.delete\n  + action clients.close", "type=WEB method=POST"}, []string{"object"}},
		{"another object", []adminsessions.Event{{Resource: adminsessions.Resource{ID: "7732"}}}, []string{"- object_id 7732\n  + object_id 7731"}, []string{"- action"}},
		{"other changes", []adminsessions.Event{{Changes: []adminsessions.Change{{Field: "status", Old: "active"}}}},
			[]string{"- changed status active → (nothing)\n  + changed status active → closed"}, nil},
		{"no changes", []adminsessions.Event{{Changes: []adminsessions.Change{}}}, []string{"+ changed status active → closed"}, []string{"- changed"}},
		{"another attribute", []adminsessions.Event{{Attributes: []attribute.KeyValue{attribute.String("x", "1")}}}, []string{"- attr.x 1"}, nil},
		{"another outcome", []adminsessions.Event{{Outcome: "denied"}}, []string{"- outcome denied\n  + outcome success"}, nil},
		{"another status", []adminsessions.Event{{StatusCode: 200}}, []string{"- status 200\n  + status 204"}, nil},
		{"another stage", []adminsessions.Event{{Stage: adminsessions.Started}}, []string{"- status started"}, nil},
		{"another time", []adminsessions.Event{{Time: time.Unix(1, 0)}}, []string{"- time 1970"}, nil},
		{"none wanted", nil, []string{"the event recorded, but not wanted:\n  + type=WEB"}, nil},
		{"two wanted", []adminsessions.Event{{}, {Action: "mail.send"}}, []string{"event 2 of 2 not recorded:\n  - action mail.send"}, []string{"event 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s said
			s.TB = t
			trail := New(&s)
			trail.Expect(closing(), request(), c.want...)
			if len(s.text) != 1 {
				t.Fatalf("said %q", s.text)
			}
			for _, part := range c.tell {
				if !strings.Contains(s.text[0], part) {
					t.Errorf("%q is not in\n%s", part, s.text[0])
				}
			}
			before, _, _ := strings.Cut(s.text[0], "in the line")
			for _, part := range c.never {
				if strings.Contains(before, part) {
					t.Errorf("%q is in\n%s", part, s.text[0])
				}
			}
		})
	}
}
