package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// Run verifies. The error is there if the trail could not be read; everything
// that is wrong with the trail is in the report. It reads each log once, and a
// second time, from its end to its beginning, if something is missing: an
// overloaded Loki has been seen to leave entries out of an answer. Memory does not
// grow with the trail.
func Run(ctx context.Context, c Config) (*Report, error) {
	keys, err := c.keys()
	client, lokiErr := loki.New(c.Loki, os.Getenv)
	if err := errors.Join(err, lokiErr); err != nil {
		return nil, fmt.Errorf("configuration of the verification: %w", err)
	}
	defer client.CloseIdleConnections()
	if c.Now == nil {
		c.Now = time.Now
	}
	store := trail.New(client, trail.Config{Services: c.Services, Environments: c.Environments, Now: c.Now}).Within(trail.Scope{All: true})
	return run(ctx, store, &c, keys)
}

// found is a log that is verified.
type found struct {
	*trail.FoundLog
	gone bool // it is known, and not there
}

// verification is a run over all logs.
type verification struct {
	*Config
	source source
	keys   note.Verifiers
	now    time.Time
	report *Report

	logs    map[string]*found
	kept    map[string][]*mark // by log, from anchors and from successors
	starts  map[string]*mark
	erased  map[string]claims // what acts say of a log's events
	late    map[string]claims
	acts    map[string][]*act // by the log in which they stand
	claimed int
	unread  bool // an anchor
	judges  map[string]*judge
	at      Progress
}

func run(ctx context.Context, s source, c *Config, keys note.Verifiers) (*Report, error) {
	v := &verification{Config: c, source: s, keys: keys, now: c.Now(),
		kept: map[string][]*mark{}, starts: map[string]*mark{}, erased: map[string]claims{}, late: map[string]claims{}, acts: map[string][]*act{}, judges: map[string]*judge{}}
	v.report = &Report{From: c.From, To: c.To}
	if c.To.IsZero() {
		v.report.To = v.now
	}
	if err := v.prepare(ctx); err != nil {
		return nil, err
	}
	ids := slices.Sorted(maps.Keys(v.logs))
	v.at.Logs = len(ids)
	for _, id := range ids {
		l, err := v.verify(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("reading the log %s: %w", id, err)
		}
		v.report.Logs = append(v.report.Logs, *l)
		v.at.Done++
	}
	v.checkActs()
	v.checkBeginnings()
	if err := v.lookOutside(ctx); err != nil {
		return nil, fmt.Errorf("looking for streams that belong to no log: %w", err)
	}
	v.report.sum()
	if v.unread {
		v.report.Complete, v.report.Unaltered = worse(v.report.Complete, Unknown), worse(v.report.Unaltered, Unknown)
	}
	return v.report, nil
}

// until is the end of what is read.
func (v *verification) until() time.Time {
	if v.To.IsZero() {
		return v.now.Add(trail.Ahead)
	}
	return v.To
}

// oldest is the beginning of what can be read.
func (v *verification) oldest() time.Time {
	oldest := v.now.Add(-horizon)
	if !v.From.IsZero() && v.From.Before(oldest) {
		return v.From
	}
	return oldest
}

// prepare finds the logs, what is kept of them elsewhere, and what was erased.
func (v *verification) prepare(ctx context.Context) error {
	logs, err := trail.FindLogs(ctx, v.source, trail.Window{From: v.oldest(), To: v.now.Add(trail.Ahead)})
	if err != nil {
		return fmt.Errorf("looking for logs: %w", err)
	}
	v.logs = map[string]*found{}
	for id, f := range logs {
		v.logs[id] = &found{FoundLog: f}
	}
	for i, s := range v.Start {
		m, err := open([]byte(s), v.keys, "earlier verification")
		if err != nil {
			v.problem("number %d of the checkpoints to begin with is not believed; its log is verified from its first event: %v", i+1, err)
			continue
		}
		v.starts[strings.TrimPrefix(m.Origin, proof.OriginPrefix)] = m
	}
	v.readAnchors(ctx)
	if err := v.followPredecessors(ctx); err != nil {
		return fmt.Errorf("looking for logs that take the place of others: %w", err)
	}
	v.choose()
	return v.findActs(ctx)
}

// readAnchors collects the checkpoints that are kept elsewhere, by log.
func (v *verification) readAnchors(ctx context.Context) {
	for _, a := range v.Anchors {
		n := 0
		for signed, err := range a.Checkpoints(ctx) {
			if err != nil {
				v.unread = true
				v.problem("reading the anchor %s: %v", a.Name(), err)
				break
			}
			m, err := open(signed, v.keys, a.Name())
			if err != nil {
				v.problem("a checkpoint in the anchor %s is not believed: %v", a.Name(), err)
				continue
			}
			n++
			id := strings.TrimPrefix(m.Origin, proof.OriginPrefix)
			if m.Time.Before(v.From) || !v.To.IsZero() && m.Time.After(v.To) {
				continue
			}
			v.kept[id] = keep(v.kept[id], m)
		}
		if n == 0 {
			v.unread = true
			v.problem("the anchor %s has no checkpoint by a known key", a.Name())
		}
	}
}

// lookOutside notes streams of the verified services, within the last month of the
// range, that belong to no log: the page and dashboards show what looks like an
// event in them, and nothing proves it.
func (v *verification) lookOutside(ctx context.Context) error {
	w := trail.Window{From: v.until().Add(-trail.LongestLabels), To: v.until()}
	if v.From.After(w.From) {
		w.From = v.From
	}
	streams, err := v.source.Outside(ctx, w)
	if err != nil {
		return err
	}
	services := map[string]int{}
	for _, f := range v.logs {
		for name := range f.Services {
			services[name] = 0
		}
	}
	for _, labels := range streams {
		if _, ours := services[labels["service_name"]]; ours {
			services[labels["service_name"]]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if n := services[name]; n > 0 {
			v.problem("the service %s has %s without a log (audit_log_id), such as its other logs: the page shows what looks like an event there, and nothing proves it", name, count(uint64(n), "stream", "streams"))
		}
	}
	return nil
}

// problem notes what has kept the verification from looking everywhere.
func (v *verification) problem(format string, args ...any) {
	if len(v.report.Problems) < MaxFindings {
		v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
	}
}

// everywhere is a question about all logs, for lines that are rare.
func (v *verification) everywhere(containing string) trail.LogRead {
	w := trail.Window{To: v.now.Add(trail.Ahead)}
	for _, f := range v.logs {
		if !f.gone && (w.From.IsZero() || f.Since.Before(w.From)) {
			w.From = f.Since
		}
	}
	switch {
	case w.From.IsZero(): // there is no log
		w.From = w.To
	case v.From.After(w.From):
		w.From = v.From
	}
	return trail.LogRead{Window: w, Containing: containing}
}

// followPredecessors takes what logs say of those before them as checkpoints of
// those.
func (v *verification) followPredecessors(ctx context.Context) error {
	for e, err := range v.source.ReadLog(ctx, v.everywhere(`\nafter `+proof.OriginPrefix)) {
		if err != nil {
			return err
		}
		id := trail.LogID(e.Labels)
		m, err := checkpointIn(&e, id, v.keys)
		if err != nil || m.After == nil {
			continue // a line that is not believed is reported when its log is read
		}
		before := strings.TrimPrefix(m.After.Origin, proof.OriginPrefix)
		v.kept[before] = append(v.kept[before], &mark{rootOnly: true, place: "log " + id, Checkpoint: &proof.Checkpoint{
			Origin: m.After.Origin, Size: m.After.Size, Root: m.After.Root, Time: m.Time,
		}})
	}
	return nil
}

// choose decides which logs are verified: those within the range, those that
// should be there, and no others.
func (v *verification) choose() {
	for id := range v.kept {
		if v.logs[id] == nil {
			v.logs[id] = &found{FoundLog: &trail.FoundLog{Since: v.oldest()}, gone: true}
		}
	}
	for id, m := range v.starts {
		if v.logs[id] == nil && !m.Time.Before(v.From) {
			v.logs[id] = &found{FoundLog: &trail.FoundLog{Since: v.oldest()}, gone: true}
		}
	}
	if len(v.Logs) > 0 {
		maps.DeleteFunc(v.logs, func(id string, _ *found) bool { return !slices.Contains(v.Logs, id) })
	}
}

// verify verifies one log.
func (v *verification) verify(ctx context.Context, id string) (*Log, error) {
	start, w, err := v.bounds(ctx, id)
	if err != nil {
		return nil, err
	}
	j, err := newJudge(id, v.keys, start, v.kept[id])
	if err != nil {
		return nil, err
	}
	j.claims, j.lates, j.acts = v.erased[id], v.late[id], v.acts[id]
	v.judges[id] = j
	j.since, j.until = v.From, v.To
	j.accepted, j.fromFirst = v.Accepted, v.FromFirstCheckpoint
	f := v.logs[id]
	if f.gone && start == nil && v.mayHaveExpired(id) {
		j.nothing()
		return j.finish(), nil
	}
	j.log.Services, j.log.Instances = slices.Sorted(maps.Keys(f.Services)), slices.Sorted(maps.Keys(f.Instances))
	read := v.at.Entries
	for e, err := range v.source.ReadLog(ctx, trail.LogRead{ID: id, Window: w, Progress: func(at time.Time) {
		v.progress(id, at, read+j.log.Entries)
	}}) {
		if err != nil {
			return nil, err
		}
		j.read(&e)
	}
	v.at.Entries = read + j.log.Entries
	j.askAnchors()
	if len(j.intervals) > 0 {
		if err := v.lookAgain(ctx, j, w); err != nil {
			return nil, err
		}
	}
	if f.gone && start != nil {
		addSpan(&j.log, &j.log.Missing, Span{From: 1, To: start.Size, Why: "the log was verified before, and nothing of it is in Loki any more"})
	}
	return j.finish(), nil
}

// mayHaveExpired reports whether a log of which nothing is there is known only from
// one that began soon after the time that was asked for: it may have ended before.
func (v *verification) mayHaveExpired(id string) bool {
	return !v.From.IsZero() && !slices.ContainsFunc(v.kept[id], func(m *mark) bool {
		return !m.rootOnly || m.Time.After(v.From.Add(edge))
	})
}

func (v *verification) progress(id string, at time.Time, entries uint64) {
	v.at.Log, v.at.At, v.at.Entries = id, at, entries
	if v.Progress != nil {
		v.Progress(v.at)
	}
}

// lookAgain reads the log once more, from the other side and in smaller pieces,
// for what is missing or does not fit.
func (v *verification) lookAgain(ctx context.Context, j *judge, w trail.Window) error {
	read := trail.LogRead{ID: j.log.ID, Window: w, Backward: true, Batch: trail.MaxBatch / 5}
	if first, newest := j.log.first, j.newest(); !first.IsZero() {
		// What has other times altogether was read the first time.
		read.Window = trail.Window{From: first.Add(-margin), To: newest.Add(margin)}
		read.Slice = max(time.Minute, newest.Sub(first)/16)
	}
	for e, err := range v.source.ReadLog(ctx, read) {
		if err != nil {
			return err
		}
		j.readAgain(&e)
	}
	return nil
}
