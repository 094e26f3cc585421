package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/proofconfig"
	"github.com/adminsessions/adminsessions/exporter/exportermetrics"
	"github.com/adminsessions/adminsessions/internal/credential"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
	"github.com/adminsessions/adminsessions/proof/verify"
)

type verifyCommand struct {
	Keys                []string `name:"key" sep:"none" placeholder:"KEY" env:"ADMINSESSIONS_PROOF_PUBLIC_KEYS" help:"Public key that the trail is signed with (name+hash+key), or a file with some; may be repeated. Without one only the numbers are looked at, which shows what is missing between the first and the last event and nothing of what was altered."`
	Anchors             []string `name:"anchor" sep:"none" placeholder:"PLACE" help:"Where checkpoints are kept apart from the trail: a file, a folder or a URL; may be repeated."`
	AnchorsFrom         string   `type:"path" placeholder:"FILE" help:"YAML file whose section proof names anchors, as the proxy's: files, webhooks, another Loki, witnesses, S3 buckets."`
	Logs                []string `name:"log" sep:"none" placeholder:"ID" help:"Only this log (audit_log_id); may be repeated."`
	All                 bool     `help:"All that there is, from the first event of each log on, instead of --from and --to."`
	Accepted            string   `type:"path" placeholder:"FILE" help:"Findings that somebody answers for, one a line: its name as the report has it, a space, and why. They stay in the report, and do not count for the exit status."`
	FromFirstCheckpoint bool     `help:"Of a log that was there before it was signed, judge what its first checkpoint is about and later; what was before is listed and not counted."`
	From                string   `default:"24h" placeholder:"TIME" help:"From when on, as for search. Default: ${default} ago."`
	To                  string   `default:"now" placeholder:"TIME" help:"Until when. Default: now."`

	Every     time.Duration `group:"schedule" placeholder:"DURATION" help:"Verify all that there is now, and what is new this often (1s to 168h), until interrupted. Once a week all is verified again."`
	State     string        `group:"schedule" type:"path" placeholder:"FILE" help:"Keep there what is verified, so that the next --every goes on from it."`
	Retention string        `group:"schedule" placeholder:"DURATION" help:"After what time Loki deletes events. Default: never."`
	Record    bool          `group:"schedule" help:"Record in the trail what was found: needs one --service."`
	Spool     string        `group:"schedule" type:"path" placeholder:"DIR" help:"The spool by which that is delivered: a folder of its own, no panel's. Default: adminsessions/verify-spool below the user's state folder."`

	MetricsListen string `group:"schedule" placeholder:"ADDRESS" help:"Serve /metrics and /healthz there: 127.0.0.1:9466. Default: nowhere."`

	Output
	Trail
}

// Run verifies. It ends with [StatusNothing] unless the trail is proved to be
// complete and unaltered, but for what is accepted.
func (c *verifyCommand) Run(ctx context.Context, w *World) error {
	switch {
	case c.Every == 0 && (c.State != "" || c.Record || c.Spool != "" || c.Retention != "" || c.MetricsListen != ""):
		return usage("--state, --retention, --record, --spool and --metrics-listen need --every")
	case c.Every != 0 && (c.Every < time.Second || c.Every > 7*24*time.Hour):
		return usage("--every %v: want 1s to 168h", c.Every)
	case len(c.Keys) == 0 && (len(c.Anchors) > 0 || c.AnchorsFrom != "" || len(c.Logs) > 0 || c.Every > 0 || c.Accepted != "" || c.FromFirstCheckpoint):
		return usage("--anchor, --anchors-from, --log, --accepted, --from-first-checkpoint and --every need --key: without a public key no checkpoint can be believed")
	case len(c.Keys) == 0:
		return c.numbers(ctx, w)
	}
	config, err := c.config(w)
	if err != nil {
		return err
	}
	if c.Every > 0 {
		return c.schedule(ctx, w, config)
	}
	proved, err := c.once(ctx, w, config)
	if err == nil && !proved {
		return nothing()
	}
	return err
}

// schedule verifies until it is interrupted. It ends with [StatusNothing] if
// something was found meanwhile.
func (c *verifyCommand) schedule(ctx context.Context, w *World, config *verify.Config) error {
	config.From, config.To = time.Time{}, time.Time{}
	printer := &verdicts{c: c, w: w}
	s := verify.Schedule{Config: *config, Interval: c.Every, Whole: max(7*24*time.Hour, c.Every), StateFile: c.State, Sink: printer, Logger: w.Logger}
	if c.Retention != "" {
		var err error
		if s.Retention, err = parseAgo(c.Retention); err != nil {
			return usage("--retention: %w", err)
		}
	}
	var recorded []prometheus.Collector
	if c.Record {
		exp, dir, err := c.recorder(w, c.Spool, "verify-spool")
		if err != nil {
			return err
		}
		defer func() {
			if err := deliver(ctx, exp, dir); err != nil {
				w.Logger.Error("the result of the last verification", "error", err)
			}
		}()
		printer.next = exp
		recorded = append(recorded, exportermetrics.New(exp))
		// What is recorded here is a part of the trail.
		if own, err := publicKeys(dir + ".key"); err == nil {
			s.Keys = append(s.Keys, own...)
		}
	}
	v, err := verify.New(s)
	if err != nil {
		return usage("%w", oneLine(err))
	}
	printer.status = v.Status
	if c.MetricsListen != "" {
		served, err := serveOperators(w, c.MetricsListen, v, c.Every, recorded...)
		if err != nil {
			return err
		}
		defer served.close()
	}
	if err := v.Run(ctx); err != nil && ctx.Err() == nil {
		return usage("%w", err)
	}
	if n := v.Status().Runs; n[verify.ResultFinding] > 0 {
		return nothing()
	}
	return nil
}

// verdicts prints what a schedule finds. It is the schedule's sink, which is told
// after each verification.
type verdicts struct {
	c      *verifyCommand
	w      *World
	status func() verify.Status
	next   adminsessions.Sink
}

func (p *verdicts) RecordEvent(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	if s := p.status(); s.Err == nil && s.Report != nil {
		if err := p.c.print(p.w, s.Report); err != nil {
			return err
		}
	}
	if p.next == nil {
		return nil
	}
	return p.next.RecordEvent(ctx, e, d)
}

func (c *verifyCommand) config(w *World) (*verify.Config, error) {
	window, err := (&Range{From: c.From, To: c.To}).window(w, c.zone())
	if err != nil {
		return nil, err
	}
	getenv, err := c.environment(w)
	if err != nil {
		return nil, err
	}
	from, err := loki.Complete(c.settings(), getenv)
	if err != nil {
		return nil, usage("how to reach Loki: %w", oneLine(err))
	}
	config := &verify.Config{Loki: from, Services: c.Services, Environments: c.Environments, Logs: c.Logs, From: window.From, To: window.To, Now: w.Now, FromFirstCheckpoint: c.FromFirstCheckpoint}
	if c.All {
		config.From = time.Time{}
	}
	if c.All || c.To == "now" {
		config.To = time.Time{}
	}
	for _, k := range c.Keys {
		keys, err := publicKeys(k)
		if err != nil {
			return nil, usage("--key: %w", err)
		}
		config.Keys = append(config.Keys, keys...)
	}
	if c.Accepted != "" {
		text, err := os.ReadFile(c.Accepted)
		if err != nil {
			return nil, usage("--accepted: %w", err)
		}
		if config.Accepted, err = verify.ReadAccepted(string(text)); err != nil {
			return nil, usage("--accepted: %s: %w", c.Accepted, oneLine(err))
		}
	}
	for _, place := range c.Anchors {
		archive, err := anchor.Open(place)
		if err != nil {
			return nil, usage("--anchor: %w", err)
		}
		config.Anchors = append(config.Anchors, archive)
	}
	if c.AnchorsFrom != "" {
		archives, err := archivesOf(c.AnchorsFrom)
		if err != nil {
			return nil, usage("--anchors-from: %w", oneLine(err))
		}
		config.Anchors = append(config.Anchors, archives...)
	}
	return config, nil
}

// archivesOf are the anchors that a file names.
func archivesOf(file string) ([]proof.Archive, error) {
	section, err := proofconfig.Read(file)
	if err != nil {
		return nil, err
	}
	archives, err := section.Archives()
	if err == nil && len(archives) == 0 {
		err = fmt.Errorf("%s names no anchors: want proof: {anchors: […]}", file)
	}
	return archives, err
}

// publicKeys are keys as they are given: themselves, or in a file, which may be the
// one with the private keys.
func publicKeys(s string) (keys []string, err error) {
	if s == "" {
		return nil, errors.New("it is empty; want a public key, or a file")
	}
	if strings.Count(s, "+") >= 2 && !strings.ContainsAny(s, "/\\\n") {
		return []string{s}, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, err
	}
	if private, err := proof.ReadKeys(string(b)); err == nil {
		for _, k := range private {
			keys = append(keys, k.Public())
		}
		return keys, nil
	}
	for _, line := range credential.Lines(string(b)) {
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key", s)
	}
	return keys, nil
}

// once verifies, and prints what was found.
func (c *verifyCommand) once(ctx context.Context, w *World, config *verify.Config) (proved bool, err error) {
	told := newProgress(w)
	config.Progress = func(p verify.Progress) {
		told.tell("log %d of %d, %d events, up to %s", p.Done+1, p.Logs, p.Entries, p.At.In(c.zone()).Format("2006-01-02 15:04"))
	}
	r, err := verify.Run(ctx, *config)
	told.clear()
	if err != nil {
		if _, ok := errors.AsType[*loki.Error](err); !ok && ctx.Err() == nil && strings.HasPrefix(err.Error(), "configuration") {
			return false, usage("%w", oneLine(err))
		}
		return false, failed(ctx, "verifying the trail", err)
	}
	if err := c.print(w, r); err != nil {
		return false, failed(ctx, "printing", err)
	}
	return r.Complete.Good() && r.Unaltered.Good(), nil
}

// print prints a report: as JSON one a line if there are more to come.
func (c *verifyCommand) print(w *World, r *verify.Report) error {
	switch {
	case c.JSON && c.Every > 0:
		return newEncoder(w.Stdout).Encode(r)
	case c.JSON:
		return document(w.Stdout, r)
	}
	_, err := fmt.Fprintln(w.Stdout, visibleLines(r.Text()))
	return err
}

// visibleLines is a text of several lines in which a terminal finds no command.
func visibleLines(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.ReplaceAll(visible(strings.ReplaceAll(lines[i], "\t", "  ")), "\t", " ")
	}
	return strings.Join(lines, "\n")
}

// numbers looks for gaps in the numbers of each log: all that can be done without a
// key.
func (c *verifyCommand) numbers(ctx context.Context, w *World) error {
	window, err := (&Range{From: c.From, To: c.To}).window(w, c.zone())
	if err != nil {
		return err
	}
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	logs, err := store.Numbers(ctx, window)
	if err != nil {
		return failed(ctx, "asking for the numbers of the trail", err)
	}
	wrong := false
	list := make([]logJSON, len(logs))
	for i := range logs {
		n := &logs[i]
		list[i] = logJSON{n.Log, n.Service, n.Instance, n.First, n.Last, n.Events, n.Missing()}
		wrong = wrong || n.Missing() != 0
	}
	if c.JSON {
		err = document(w.Stdout, struct {
			Verified bool      `json:"verified"` // false: numbers alone prove nothing
			Logs     []logJSON `json:"logs"`
		}{false, list})
	} else {
		err = printNumbers(w, c.palette(w), logs)
	}
	switch {
	case err != nil:
		return failed(ctx, "printing", err)
	case wrong, len(logs) == 0:
		return nothing()
	}
	return nil
}

// logJSON are a log's numbers as JSON.
type logJSON struct {
	ID       string `json:"id"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Entries  int64  `json:"entries"`
	Missing  int64  `json:"missing"`
}

func printNumbers(w *World, colour palette, logs []trail.LogNumbers) error {
	for i := range logs {
		n := &logs[i]
		state := colour.paint(green, "no gap")
		if missing := n.Missing(); missing > 0 {
			state = colour.paint(red, fmt.Sprintf("%d missing", missing))
		} else if missing < 0 {
			state = colour.paint(orange, fmt.Sprintf("%d counted twice, which can hide what is missing", -missing))
		}
		if _, err := fmt.Fprintf(w.Stdout, "%s  %s %s  numbers %d to %d: %s\n", n.Log, visible(n.Service), visible(n.Instance), n.First, n.Last, state); err != nil {
			return err
		}
	}
	if len(logs) == 0 {
		fmt.Fprintln(w.Stderr, "no numbered events there")
	}
	fmt.Fprintln(w.Stderr, "no --key was given: numbers show gaps, but prove neither the ends of a log nor that nothing was altered")
	return nil
}
