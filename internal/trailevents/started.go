package trailevents

import (
	"runtime/debug"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// StartedAction is the action of the first event of a process.
const StartedAction = "trail." + started

// folder is the attribute of that event that tells one spool of an instance from
// another.
const folder = "folder"

// Start is what a process begins with.
type Start struct {
	Opened    spool.Opened
	Folder    string // the spool's, absolute
	Sync      string // the policies
	Full      string
	Encrypted bool   // the spool is
	Proof     string // how the trail proves itself, in words
}

// Started writes the first event of a process.
func (r *Recorder) Started(s Start) {
	found, note := "closed", "the trail was started"
	switch {
	case s.Opened.New:
		found, note = "new", "the trail was started, with a new log"
	case !s.Opened.Clean:
		found, note = "not_closed", "the trail was started; the process before was killed"
	}
	atRest := "plain"
	if s.Encrypted {
		atRest = "encrypted"
	}
	r.writeNow(occurrence{
		action: started, outcome: adminsessions.OutcomeSuccess,
		note: func(*occurrence) string { return note },
		attrs: []attribute.KeyValue{
			attribute.String("version", version()),
			attribute.String("clock", clockState()),
			attribute.String("spool", found),
			attribute.Int64("backlog", int64(s.Opened.Backlog)),
			attribute.String("sync", s.Sync),
			attribute.String("full", s.Full),
			attribute.String(folder, s.Folder),
			attribute.String("at_rest", atRest),
			attribute.String("proof", s.Proof),
		},
	})
}

// Folder is the spool's folder as the first event of a process says it, "" if an
// event does not.
func Folder(ev *adminsessions.Event) string {
	for _, a := range ev.Attributes {
		if a.Key == folder {
			return a.Value.String()
		}
	}
	return ""
}

// modulePath is this module's, whose version is the trail's.
const modulePath = "github.com/adminsessions/adminsessions"

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			return m.Version
		}
	}
	return "unknown"
}
