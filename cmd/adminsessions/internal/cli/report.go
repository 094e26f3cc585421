package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/report"
	"github.com/adminsessions/adminsessions/internal/trail"
)

type reportCommand struct {
	Period string `enum:"day,week,month" default:"day" placeholder:"PERIOD" help:"What to sum up: ${enum}. Default: ${default}."`
	Of     string `placeholder:"DATE" help:"The period in which this date lies (2026-05-04, or 3d ago as 3d). Default: the last one that is over."`
	HTML   bool   `name:"html" xor:"form" help:"Print an HTML document, for a mail."`

	Acknowledge bool   `help:"Record in the trail that the report was reviewed: needs --reviewer and one --service."`
	Reviewer    string `placeholder:"EMAIL" help:"Who has reviewed it."`
	Remark      string `placeholder:"TEXT" help:"What the reviewer has to say."`
	Spool       string `type:"path" placeholder:"DIR" help:"The spool by which the review is delivered: a folder of its own, no panel's. Default: adminsessions/review-spool below the user's state folder."`

	Timeout time.Duration `default:"10m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
	Output
	Trail
}

// Run makes a report. A gap in the trail ends it with [StatusNothing].
func (c *reportCommand) Run(ctx context.Context, w *World) error {
	if c.HTML && c.JSON {
		return usage("--html and --json: want one of them")
	}
	if c.Acknowledge && (c.Reviewer == "" || len(c.Services) != 1) {
		return usage("--acknowledge: give --reviewer, who has reviewed the report, and one --service, whose trail it was")
	}
	window, err := c.window(w)
	if err != nil {
		return err
	}
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	asking, cancel := (&Range{Timeout: c.Timeout}).within(ctx)
	defer cancel()
	told := newProgress(w)
	made, err := report.Make(asking, report.Options{Store: store, Filter: trail.Filter{}, Trail: onlyTrail(), Period: c.Period, Window: window, Now: w.Now(),
		Progress: func(done float64) { told.tell("read %.0f %%", 100*done) }})
	told.clear()
	if err != nil {
		return failed(asking, "making the report", err)
	}
	if err := c.print(w, made); err != nil {
		return failed(ctx, "printing", err)
	}
	if c.Acknowledge {
		if err := c.acknowledge(ctx, w, made); err != nil {
			return err
		}
	}
	if made.Missing > 0 {
		return nothing()
	}
	return nil
}

func (c *reportCommand) window(w *World) (trail.Window, error) {
	zone := c.zone()
	now := w.Now().In(zone)
	from, to := report.Last(c.Period, now)
	if c.Of != "" {
		at, err := parseTime(c.Of, now, zone)
		if err != nil {
			return trail.Window{}, usage("--of: %w", err)
		}
		from, to = report.Bounds(c.Period, at.In(zone))
	}
	if from.After(now) {
		return trail.Window{}, usage("--of %s: that is still to come", c.Of)
	}
	return trail.Window{From: from, To: to}, nil
}

func (c *reportCommand) print(w *World, r *report.Report) error {
	switch {
	case c.JSON:
		return document(w.Stdout, r)
	case c.HTML:
		return r.HTML(w.Stdout)
	}
	colour := c.palette(w)
	return r.Text(w.Stdout, visible, func(s string) string { return colour.paint(bold, s) })
}

// acknowledge records the review as an event of the trail's own, with a digest of
// what was reviewed.
func (c *reportCommand) acknowledge(ctx context.Context, w *World, r *report.Report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	exp, dir, err := c.recorder(w, c.Spool, "review-spool")
	if err != nil {
		return err
	}
	err = exp.RecordEvent(ctx, &adminsessions.Event{
		Time: w.Now(), Type: adminsessions.Trail, RequestID: rand.Text(), User: adminsessions.User{Email: c.Reviewer}, Action: "trail.reviewed", Outcome: adminsessions.OutcomeSuccess,
		Actor: adminsessions.Actor{Type: adminsessions.ActorUser}, Reason: c.Remark, Note: "reviewed: " + r.Title() + ": " + r.Summary(),
		Attributes: []attribute.KeyValue{
			attribute.String("review.from", formatTime(r.From)), attribute.String("review.to", formatTime(r.To)),
			attribute.Int64("review.events", r.Events), attribute.Int64("review.missing", r.Missing),
			attribute.String("review.sha256", fmt.Sprintf("%x", sha256.Sum256(b))),
		},
	}, adminsessions.Synced)
	derr := deliver(ctx, exp, dir)
	if err != nil {
		return &statusError{StatusFailed, fmt.Errorf("recording the review: %w", err)}
	}
	if derr != nil {
		return derr
	}
	fmt.Fprintf(w.Stderr, "recorded in the trail: reviewed by %s\n", c.Reviewer)
	return nil
}
