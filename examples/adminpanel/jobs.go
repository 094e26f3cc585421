package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// Work that is no request: a queue, a nightly job, and a tool for the assistant.

// job is work that a request has left for later.
type job struct {
	cause  string // the request's id, so that the trail can tell them to belong together
	admin  adminsessions.User
	client client
}

// queue keeps jobs until they are done, in memory.
type queue chan job

// stopServices is what suspending a client leaves for later.
func (q queue) stopServices(ctx context.Context, admin *account, c client) {
	select {
	case q <- job{cause: instrumentation.RequestID(ctx), admin: admin.user(), client: c}:
	default:
		instrumentation.Annotate(ctx, "the queue is full: services are not stopped")
	}
}

// work does the jobs until ctx ends.
func (q queue) work(ctx context.Context, recorder *instrumentation.Recorder, logger *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-q:
			if err := recorder.Do(ctx, instrumentation.Act{
				Type: adminsessions.Job, Action: "services.stop", Cause: j.cause, User: j.admin,
				Actor:    adminsessions.Actor{Type: adminsessions.ActorSystem},
				Resource: adminsessions.Resource{Type: "clients", ID: strconv.Itoa(j.client.ID), Name: j.client.Name},
			}, func(context.Context) error { return nil }); err != nil {
				logger.Error("services not stopped", "client", j.client.ID, "error", err)
			}
		}
	}
}

// nights is how often the demo has a night.
const nights = 5 * time.Minute

// nightly reminds clients who have not paid.
func (p *panel) nightly(ctx context.Context) {
	tick := time.NewTicker(nights)
	defer tick.Stop()
	for {
		if err := p.recorder.Do(ctx, instrumentation.Act{Action: "invoices.remind"}, p.remind); err != nil {
			p.logger.Error("clients not reminded", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *panel) remind(ctx context.Context) error {
	_, overdue := p.clients.find(query{Status: suspended, PerPage: 1})
	instrumentation.Annotate(ctx, fmt.Sprintf("%d clients reminded", overdue))
	return nil
}

// runTool is a tool of the assistant, a program that acts for an administrator:
// each call is an act of its own, beside the request that brings it.
func (p *panel) runTool(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.URL.Query().Get("client"))
	if err != nil || r.PathValue("tool") != "show_client" {
		p.fail(w, r, http.StatusNotFound)
		return
	}
	var found client
	err = p.recorder.Do(r.Context(), instrumentation.Act{Type: adminsessions.MCP, Action: "clients.view"}, func(ctx context.Context) error {
		instrumentation.SetResource(ctx, adminsessions.Resource{Type: "clients", ID: strconv.Itoa(id)})
		found, err = p.clients.get(id)
		return err
	})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.writeJSON(w, r, http.StatusOK, found)
}
