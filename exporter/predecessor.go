package exporter

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

// A spool that was removed leaves a trace in Loki only. So a process asks, when it
// has started, which log was written from the same folder of the same instance
// before, and up to where the own log is known there.

const (
	// ancestryLookback is how far back is asked, the longest that Loki answers by
	// default.
	ancestryLookback = 30 * 24 * time.Hour
	// ancestryPause is the pause after Loki has not answered.
	ancestryPause = 5 * time.Second
	// ancestryPatience is how long the first checkpoint of a log waits for the
	// answer, after its first events were delivered.
	ancestryPatience = 30 * time.Second
	// ancestryEntries is how many entries are looked at.
	ancestryEntries = 500
)

// lokiReader is what is needed of Loki to ask it; *loki.Client is one.
type lokiReader interface {
	Logs(ctx context.Context, q loki.LogQuery) (entries []loki.Entry, read int64, err error)
}

// ancestry asks Loki for what was before.
type ancestry struct {
	loki   lokiReader
	labels string // of the own stream
	logID  string
	folder string
	keys   note.Verifiers
	now    func() time.Time
	// started is when this process did: what it has written to its log itself
	// says nothing of what was before.
	started time.Time
}

// before is what Loki knows of logs from before a process.
type before struct {
	logID      string             // of the log that was written from the same folder, "" if there is none
	checkpoint *proof.Predecessor // its last one, nil if it has none
	own        uint64             // the size of the own log's last checkpoint
}

// ask asks until Loki answers or ctx is done.
func (a *ancestry) ask(ctx context.Context, newLog bool) (b before, ok bool) {
	for {
		b, err := a.once(ctx, newLog)
		if err == nil {
			return b, true
		}
		select {
		case <-ctx.Done():
			return before{}, false
		case <-time.After(ancestryPause):
		}
	}
}

func (a *ancestry) once(ctx context.Context, newLog bool) (b before, err error) {
	own, err := a.lastCheckpoint(ctx, a.logID, a.started)
	if err != nil {
		return b, err
	}
	if own != nil {
		b.own = own.Size
	}
	if !newLog {
		return b, nil
	}
	started, err := a.entries(ctx, a.selector(""), trailStarted, a.end())
	if err != nil {
		return b, err
	}
	for _, e := range started { // newest first
		ev, err := adminsessions.ParseLine(e.Line)
		id := e.Labels[logIDLabel]
		if err != nil || ev.Type != adminsessions.Trail || id == a.logID || folderOf(&ev) != a.folder {
			continue
		}
		b.logID = id
		b.checkpoint, err = a.lastCheckpoint(ctx, id, a.end())
		return b, err
	}
	return b, nil
}

// end is later than any entry, whatever the clocks.
func (a *ancestry) end() time.Time { return a.now().Add(time.Hour) }

// lastCheckpoint is the last checkpoint before a time in a log that is its own and
// signed with one of the keys; nil if there is none.
func (a *ancestry) lastCheckpoint(ctx context.Context, id string, end time.Time) (*proof.Predecessor, error) {
	entries, err := a.entries(ctx, a.selector(id), trailCheckpoint, end)
	if err != nil {
		return nil, err
	}
	var last *proof.Predecessor
	for _, e := range entries {
		ev, err := adminsessions.ParseLine(e.Line)
		if err != nil {
			continue
		}
		c, err := proof.Open([]byte(ev.Checkpoint), a.keys)
		if err == nil && c.Origin == proof.OriginPrefix+id && (last == nil || c.Size > last.Size) {
			last = predecessorOf(c)
		}
	}
	return last, nil
}

func predecessorOf(c *proof.Checkpoint) *proof.Predecessor {
	return &proof.Predecessor{Origin: c.Origin, Size: c.Size, Root: c.Root}
}

func (a *ancestry) entries(ctx context.Context, selector, action string, end time.Time) ([]loki.Entry, error) {
	limited, cancel := context.WithTimeout(ctx, anchorTimeout)
	defer cancel()
	entries, _, err := a.loki.Logs(limited, loki.LogQuery{
		Expr: selector + ` |= "action=trail.` + action + `" | pattern "type=<type> <_>" | type="TRAIL"`,
		From: a.now().Add(-ancestryLookback).UnixNano(), To: end.UnixNano(),
		Limit: ancestryEntries, Newest: true,
	})
	return entries, err
}

// selector selects the streams of the own instance's logs, or of one of them. The
// labels as they are pushed are LogQL.
func (a *ancestry) selector(id string) string {
	_, rest, _ := strings.Cut(a.labels, ", ")
	if id == "" {
		return "{" + rest
	}
	return strings.Replace(a.labels, logIDLabel+`="`+a.logID+`"`, logIDLabel+`="`+id+`"`, 1)
}

// folderOf is the folder that an event says the spool is in.
func folderOf(ev *adminsessions.Event) string {
	for _, attr := range ev.Attributes {
		if attr.Key == folderAttribute {
			return attr.Value.String()
		}
	}
	return ""
}

const folderAttribute = "folder"

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// lookBack finds out what was before this process, and tells the shipper and the
// trail.
func (x *Exporter) lookBack(ctx context.Context, reader lokiReader, newLog bool, answer chan<- *proof.Predecessor) {
	a := ancestry{
		loki: reader, labels: x.labels, logID: x.spool.ID(), folder: absolute(x.cfg.spoolDir),
		keys: x.cfg.proof.verifiers(), now: x.cfg.now, started: x.cfg.now(),
	}
	numbers := x.spool.NextSeq()
	b, ok := a.ask(ctx, newLog)
	if !ok {
		return
	}
	answer <- b.checkpoint
	if b.own >= numbers {
		x.trail.spoolLost(lostSetBack, "the spool is older than its log in loki: it was restored, with all that tells; numbers are given twice",
			&proof.Predecessor{Origin: proof.OriginPrefix + a.logID, Size: b.own})
	}
	if b.logID != "" {
		before := b.checkpoint
		if before == nil {
			before = &proof.Predecessor{Origin: proof.OriginPrefix + b.logID}
		}
		x.trail.spoolLost(lostVanished, vanishedWords, before)
	}
}

const vanishedWords = "the spool was removed; this log takes the place of another one"
