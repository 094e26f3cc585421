package adminsessions

import (
	"context"
	"errors"
)

// Durability is how sure a [Sink] must be of an event before it answers.
type Durability int

const (
	// Spooled events survive the death of the process (kill -9).
	Spooled Durability = iota
	// Synced events survive a power cut as well.
	Synced
)

// Sink takes events directly. A LoggerProvider that implements it is given
// events instead of log records: it saves the conversion, and it can say
// whether the event is safe, which OpenTelemetry's Logger.Emit cannot.
//
// RecordEvent returns nil once the event is as durable as asked for. It may
// block: for Spooled as long as a write into the page cache takes, for Synced
// until the disk has it or ctx is done. The event
// belongs to the caller again when RecordEvent returns. An error means that the
// event is lost, or for Synced that it is not known to be safe; the sink has
// counted it.
//
// An error that wraps [ErrRefused] says for certain that the event is not
// stored. Package instrumentation then counts an anonymous event in a folded
// record that it gives to the sink later.
//
// A sink that has a method BeforeShutdown(func()) is given a function to call
// when it shuts down, before it refuses events: folded records that are still
// to come are given to it then.
//
// A sink that has a method RecordPolicy(ctx, *Event, digest string) error is given
// what a middleware records in words, when one is made. It records the event
// unless digest is that of the policy it has recorded last; other sinks are given
// the event each time. See docs/acts.md.
//
// It may be called from many goroutines at once.
type Sink interface {
	RecordEvent(ctx context.Context, e *Event, d Durability) error
}

// ErrRefused is what a [Sink] wraps in its error when it has not stored an
// event and will not.
var ErrRefused = errors.New("event refused")
