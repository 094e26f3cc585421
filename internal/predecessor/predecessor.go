// Package predecessor asks Loki what was before a process: which log was written
// from the same folder of the same instance, and up to where the process's own log
// is known there. A spool that was removed, or set back with all that is beside it,
// leaves no other trace.
//
// It asks for ever, every few seconds, until Loki answers; nothing but the first
// checkpoint of a new log waits for that, and not for long. What Loki has lost, or
// does not hold any more after 30 days, can't be found.
package predecessor

import (
	"context"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/internal/trailevents"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	// lookback is how far back is asked, the longest that Loki answers by default.
	lookback = 30 * 24 * time.Hour
	// pause is how long after Loki has not answered it is asked again.
	pause = 5 * time.Second
	// patience is how long one answer may take.
	patience = 30 * time.Second
	// maxEntries is how many entries are looked at.
	maxEntries = 500
)

// Loki is what is needed of it; *loki.Client is one.
type Loki interface {
	Logs(ctx context.Context, q loki.LogQuery) (entries []loki.Entry, read int64, err error)
}

// Question is what to ask, and for whom.
type Question struct {
	Loki   Loki
	LogID  string // the process's own log
	Labels string // of its stream, as they are pushed
	Folder string // of the spool, as the first event of a process says it
	New    bool   // the log is new: the one before it is asked for
	Keys   note.Verifiers
	// Started is when the process was: what it has written to its log itself says
	// nothing of what was before.
	Started time.Time
	Now     func() time.Time
}

// Answer is what Loki knows of the time before a process.
type Answer struct {
	LogID      string             // of the log that was written from the same folder, "" if there is none
	Checkpoint *proof.Predecessor // its last one, nil if it has none
	Own        uint64             // the size of the own log's last checkpoint, 0 if there is none
}

// Ask asks until Loki answers. ok is false if ctx is done before.
func Ask(ctx context.Context, q Question) (a Answer, ok bool) {
	for {
		a, err := q.once(ctx)
		if err == nil {
			return a, true
		}
		select {
		case <-ctx.Done():
			return Answer{}, false
		case <-time.After(pause):
		}
	}
}

func (q *Question) once(ctx context.Context) (a Answer, err error) {
	own, err := q.lastCheckpoint(ctx, q.LogID, q.Started)
	if err != nil {
		return a, err
	}
	if own != nil {
		a.Own = own.Size
	}
	if !q.New {
		return a, nil
	}
	a.LogID, err = q.sameFolder(ctx)
	if err == nil && a.LogID != "" {
		a.Checkpoint, err = q.lastCheckpoint(ctx, a.LogID, q.end())
	}
	return a, err
}

// sameFolder is the log that was written last from the own folder, but for the
// own one.
func (q *Question) sameFolder(ctx context.Context) (id string, err error) {
	_, others, _ := strings.Cut(q.Labels, ", ") // the log's id is the first
	entries, err := q.entries(ctx, "{"+others, trailevents.StartedAction, q.end())
	for _, e := range entries { // newest first
		ev, err := adminsessions.ParseLine(e.Line)
		id := e.Labels[spooled.LogIDLabel]
		if err == nil && ev.Type == adminsessions.Trail && id != q.LogID && trailevents.Folder(&ev) == q.Folder {
			return id, nil
		}
	}
	return "", err
}

// end is later than any entry, whatever the clocks.
func (q *Question) end() time.Time { return q.Now().Add(time.Hour) }

// lastCheckpoint is the last checkpoint before a time in a log that is its own and
// signed with one of the keys; nil if there is none.
func (q *Question) lastCheckpoint(ctx context.Context, id string, end time.Time) (*proof.Predecessor, error) {
	// The labels as they are pushed are LogQL.
	stream := strings.Replace(q.Labels, spooled.LogIDLabel+`="`+q.LogID+`"`, spooled.LogIDLabel+`="`+id+`"`, 1)
	entries, err := q.entries(ctx, stream, proof.CheckpointAction, end)
	if err != nil {
		return nil, err
	}
	var last *proof.Predecessor
	for _, e := range entries {
		ev, err := adminsessions.ParseLine(e.Line)
		if err != nil {
			continue
		}
		c, err := proof.Open([]byte(ev.Checkpoint), q.Keys)
		if err == nil && c.Origin == proof.OriginPrefix+id && (last == nil || c.Size > last.Size) {
			last = c.AsPredecessor()
		}
	}
	return last, nil
}

func (q *Question) entries(ctx context.Context, selector, action string, end time.Time) ([]loki.Entry, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	entries, _, err := q.Loki.Logs(limited, loki.LogQuery{
		Expr: selector + ` |= "action=` + action + `" | pattern "type=<type> <_>" | type="TRAIL"`,
		From: q.Now().Add(-lookback).UnixNano(), To: end.UnixNano(),
		Limit: maxEntries, Newest: true,
	})
	return entries, err
}
