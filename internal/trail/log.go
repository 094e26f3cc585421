package trail

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// LogRead says how [Store.ReadLog] reads the entries of one log.
type LogRead struct {
	// ID is the value of the label audit_log_id. Empty means every log of the
	// store's services and environments.
	ID     string
	Window Window
	// Backward reads from the newest entry to the oldest.
	Backward bool
	// Containing, unless empty, leaves out lines in which it does not stand; with
	// AnyCase in no case.
	Containing string
	AnyCase    bool
	// Batch is how many entries to ask for at a time; 0 means as many as Loki gives.
	Batch int
	// Slice is the longest time that one question is about; 0 means four days.
	Slice time.Duration
	// Progress, unless nil, is called after each question with the time up to which
	// the log has been read.
	Progress func(time.Time)
}

// ReadLog returns every entry of a log as Loki has it, whatever its line says and
// whichever stream it is in, in the order of time. It holds one answer in memory.
// The services and environments of the store do not matter if the log is named,
// and its scope never does: who asks must be allowed to see all.
func (s *Store) ReadLog(ctx context.Context, r LogRead) iter.Seq2[loki.Entry, error] {
	return func(yield func(loki.Entry, error) bool) {
		e := s.logExpression(&r)
		limit, longest := r.Batch, int64(r.Slice)
		if limit <= 0 {
			limit = MaxBatch
		}
		if longest <= 0 {
			longest = int64(lastSlice)
		}
		w := Walk{Forward: !r.Backward}
		rest := span{r.Window.From.UnixNano(), r.Window.To.UnixNano()}
		width, tries := min(int64(firstSlice), longest), 0
		for rest.length() > 0 {
			part := w.first(rest, width)
			entries, _, err := s.client.Logs(ctx, loki.LogQuery{Expr: e.String(), From: part.from, To: part.to, Limit: limit, Newest: r.Backward})
			if err == nil {
				err = asked(part, entries)
			}
			cut := err == nil && len(entries) >= limit
			if cut {
				part, entries, err = s.cut(ctx, e, &w, part, entries)
			}
			if err != nil {
				if tries++; !goOn(ctx, err, tries) {
					yield(loki.Entry{}, err)
					return
				}
				width = max(width/sliceFactor, shortest)
				continue
			}
			if tries = 0; !cut {
				width = min(width*sliceFactor, longest)
			}
			for _, entry := range entries {
				if !yield(entry, nil) {
					return
				}
			}
			rest = w.after(rest, part)
			if r.Progress != nil {
				r.Progress(w.reached(rest).Time())
			}
		}
	}
}

// asked fails if an answer holds what was not asked for: going on from it might
// never end.
func asked(part span, entries []loki.Entry) error {
	for i := range entries {
		if at := entries[i].Nanos; at < part.from || at >= part.to {
			return fmt.Errorf("loki has answered a question about the time from %s to %s with an entry of %s",
				time.Unix(0, part.from).UTC().Format(time.RFC3339Nano), time.Unix(0, part.to).UTC().Format(time.RFC3339Nano), entries[i].Time().UTC().Format(time.RFC3339Nano))
		}
	}
	return nil
}

const (
	// maxTries is how often a question is asked that Loki does not answer because it
	// is away or has too much to do, each time about a shorter time.
	maxTries   = 6
	firstPause = 250 * time.Millisecond
	shortest   = int64(time.Minute)
)

// goOn waits after an answer that did not come, and reports whether to ask again.
func goOn(ctx context.Context, err error, tries int) bool {
	var failed *loki.Error
	if !errors.As(err, &failed) || failed.Kind != loki.Unavailable && failed.Kind != loki.TooBroad || tries >= maxTries {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(firstPause << tries):
		return true
	}
}

// cut deals with an answer that was cut at its limit, maybe in the middle of its
// last nanosecond: it leaves that one out, or, if there is no other, reads it
// whole. It returns the part of the span that was read.
func (s *Store) cut(ctx context.Context, e *expression, w *Walk, part span, entries []loki.Entry) (span, []loki.Entry, error) {
	last := entries[len(entries)-1].Nanos
	whole := entries[:slices.IndexFunc(entries, func(e loki.Entry) bool { return e.Nanos == last })]
	switch {
	case len(whole) == 0:
		whole, err := s.instant(ctx, e, last)
		return span{last, last + 1}, whole, err
	case w.Forward:
		part.to = last
	default:
		part.from = last + 1
	}
	return part, whole, nil
}

// Logs returns the index labels of every stream of a log that the store's
// services and environments have had within a window.
func (s *Store) Logs(ctx context.Context, w Window) ([]map[string]string, error) {
	return s.client.Streams(ctx, w.From, w.To, s.logsSelector())
}

// Outside returns the index labels of the streams within a window that belong to
// no log: what looks like an event in them has not come by an exporter.
func (s *Store) Outside(ctx context.Context, w Window) ([]map[string]string, error) {
	return s.client.Streams(ctx, w.From, w.To, s.selector(labelLog+`=""`))
}

func (s *Store) logsSelector() string { return s.selector(labelLog + `!=""`) }

// LogID is the id of the log that a stream with these labels belongs to.
func LogID(labels map[string]string) string { return labels[labelLog] }

func (s *Store) logExpression(r *LogRead) *expression {
	e := &expression{words: make(map[string]bool)}
	if r.ID == "" {
		e.lines.WriteString(s.logsSelector())
	} else {
		e.lines.WriteString("{" + labelLog + "=" + quote(r.ID) + "}")
	}
	switch {
	case r.Containing == "":
	case r.AnyCase:
		e.lines.WriteString(" |~ " + quote("(?i)"+regexp.QuoteMeta(clean(r.Containing))))
	default:
		e.contains(r.Containing)
	}
	return e
}

// FoundLog is a log that Loki has.
type FoundLog struct {
	Services, Instances map[string]bool
	// Since is when it was there, at the latest: it may be up to a month older than its first event.
	Since time.Time
}

// LongestLabels is the longest time for which Loki answers a question about
// streams, by default.
const LongestLabels = 30 * 24 * time.Hour

// FindLogs returns the logs within a window, by their ids.
func FindLogs(ctx context.Context, s interface {
	Logs(context.Context, Window) ([]map[string]string, error)
}, w Window) (map[string]*FoundLog, error) {
	logs := make(map[string]*FoundLog)
	for end := w.To; end.After(w.From); end = end.Add(-LongestLabels) {
		begin := end.Add(-LongestLabels)
		if begin.Before(w.From) {
			begin = w.From
		}
		streams, err := s.Logs(ctx, Window{From: begin, To: end})
		if err != nil {
			return nil, err
		}
		for _, labels := range streams {
			id := LogID(labels)
			f := logs[id]
			if f == nil {
				f = &FoundLog{Services: make(map[string]bool), Instances: make(map[string]bool)}
				logs[id] = f
			}
			f.Since = begin // windows come newest first
			f.Services[labels[labelService]] = true
			f.Instances[labels["service_instance_id"]] = true
		}
	}
	return logs, nil
}
