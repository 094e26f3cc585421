package export

import (
	"iter"
	"strconv"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Fields yields everything that an event's line says, by the keys of the line and
// in its order: the fields that are known, what was changed behind those for
// people, the application's own attributes, and the event's number.
func Fields(e *trail.Event) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if e.Unreadable {
			yield("line", e.Line)
			return
		}
		people := true
		for f := range adminsessions.Fields() {
			if people && f.Part != adminsessions.People {
				people = false
				if !yieldChanges(e.Changes, yield) {
					return
				}
			}
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

func yieldChanges(changes []adminsessions.Change, yield func(string, string) bool) bool {
	for _, c := range changes {
		if c.Old != "" && !yield("was."+c.Field, c.Old) || c.New != "" && !yield("now."+c.Field, c.New) {
			return false
		}
	}
	return true
}
