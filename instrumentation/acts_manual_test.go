package instrumentation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationtest"
)

// The examples of docs/acts.md stand here word for word, where they are compiled
// and run.

func manualSetters(ctx context.Context, before, after any) {
	instrumentation.SetAction(ctx, "services.move")
	instrumentation.SetResource(ctx, adminsessions.Resource{Type: "service", ID: "s-17", Name: "vps-17.example"})
	instrumentation.SetOutcome(ctx, adminsessions.OutcomeFailure) // the form is shown again
	instrumentation.SetActor(ctx, adminsessions.Actor{Type: adminsessions.ActorService, CredentialID: "key-7", TenantID: "acme"})
	instrumentation.SetReason(ctx, "ticket 4711")
	instrumentation.Changed(ctx, before, after)
}

func manualAct(ctx context.Context, remind func(context.Context) error, opts ...instrumentation.Option) error {
	recorder, err := instrumentation.NewRecorder(opts...)
	if err != nil {
		return err
	}
	return recorder.Do(ctx, instrumentation.Act{Action: "invoices.remind"}, func(ctx context.Context) error {
		instrumentation.Annotate(ctx, "12 clients reminded")
		return remind(ctx)
	})
}

// Job is work that a handler leaves for a worker.
type Job struct {
	Client int
	Cause  string
	Run    func(context.Context) error `json:"-"`
}

type jobs chan Job

func (q jobs) Send(j Job) { q <- j }

func manualCause(ctx context.Context, queue jobs) {
	queue.Send(Job{Client: 7731, Cause: instrumentation.RequestID(ctx)}) // in the handler
}

func manualWorker(ctx context.Context, recorder *instrumentation.Recorder, job Job) error {
	return recorder.Do(ctx, instrumentation.Act{
		Action: "services.stop", Cause: job.Cause, Resource: adminsessions.Resource{Type: "clients", ID: "7731"},
	}, job.Run) // in the worker
}

func manualActions(actions map[string]string) instrumentation.Option {
	option :=
		instrumentation.WithActions(func(method, route string) string { return actions[method+" "+route] })
	return option
}

func manualReason() instrumentation.Option {
	return instrumentation.WithRequiredReason(instrumentation.Routes("DELETE /admin/", "POST /admin/admins/{id}/mfa/disable"))
}

func manualTest(t *testing.T, panel http.Handler) {
	trail := instrumentationtest.New(t)
	trail.Expect(panel, httptest.NewRequest("DELETE", "/admin/clients/7731", nil), adminsessions.Event{
		Action: "clients.delete", Resource: adminsessions.Resource{ID: "7731"},
		Changes: []adminsessions.Change{{Field: "status", Old: "active", New: "closed"}},
	})
}

func TestTheExamplesOfActsRun(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	queue := make(jobs, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admin/services/{id}", func(_ http.ResponseWriter, r *http.Request) {
		manualSetters(r.Context(), nil, map[string]string{"host": "b"})
		manualCause(r.Context(), queue)
	})
	mux.HandleFunc("DELETE /admin/clients/{id}", func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.Changed(r.Context(), map[string]string{"status": "active"}, map[string]string{"status": "closed"})
	})
	manualTest(t, mux)
	trail := instrumentationtest.New(t, manualReason(), manualActions(map[string]string{"DELETE /admin/clients/{id}": "clients.close"}))
	trail.Expect(mux, httptest.NewRequest("DELETE", "/admin/clients/7731", nil), adminsessions.Event{StatusCode: 428, Action: "clients.delete"})
	trail.Expect(mux, httptest.NewRequest("POST", "/admin/services/1", nil), adminsessions.Event{
		Action: "services.move", Outcome: adminsessions.OutcomeFailure, Reason: "ticket 4711", Actor: adminsessions.Actor{Type: adminsessions.ActorService, CredentialID: "key-7", TenantID: "acme"},
		Resource: adminsessions.Resource{Type: "service", ID: "s-17", Name: "vps-17.example"}, Changes: []adminsessions.Change{{Field: "host", New: "b"}},
	})
	job := <-queue
	job.Run = nothing
	if err := manualWorker(t.Context(), trail.Recorder(), job); err != nil || job.Cause == "" {
		t.Error(err, job)
	}
	trail.Want(adminsessions.Event{Type: adminsessions.Job, Action: "services.stop", Cause: job.Cause})
	var s sink
	if err := manualAct(t.Context(), nothing, instrumentation.WithLoggerProvider(&s)); err != nil {
		t.Error(err)
	}
	if e := s.Only(t); e.Note != "12 clients reminded" || e.Actor.Type != adminsessions.ActorSystem {
		t.Errorf("recorded %s", e.Line())
	}
}

func TestTheExamplesOfActsAreTheseOnes(t *testing.T) {
	source := plainCode(t, readFile(t, "acts_manual_test.go"))
	blocks := goBlock.FindAllStringSubmatch(readFile(t, "../docs/acts.md"), -1)
	for _, m := range blocks {
		if !strings.Contains(source, plainCode(t, m[1])) {
			t.Errorf("docs/acts.md has an example that acts_manual_test.go does not have:\n%s", m[1])
		}
	}
	if len(blocks) < 6 {
		t.Errorf("%d examples found", len(blocks))
	}
}
