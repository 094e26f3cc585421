package viewer

import (
	"iter"
	"strconv"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// recorded yields everything that an event's line says, by the keys of the line
// and in its order: the fields that are known, then the application's own
// attributes, then the event's number.
func recorded(e *trail.Event) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if e.Unreadable {
			yield("line", e.Line)
			return
		}
		for f := range adminsessions.Fields() {
			if f.Name == "" {
				continue
			}
			if value := f.Get(&e.Event); value != "" && !yield(f.Name, value) {
				return
			}
		}
		for _, kv := range e.Attributes {
			if !yield("attr."+string(kv.Key), kv.Value.String()) {
				return
			}
		}
		if e.Sequence > 0 {
			yield("seq", strconv.FormatUint(e.Sequence, 10))
		}
	}
}

// notesOf are the notes of an event, one by one.
func notesOf(e *trail.Event) []string {
	if e.Note == "" {
		return nil
	}
	return strings.Split(e.Note, "\n")
}
