package adminsessions

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// EventName is the OpenTelemetry event name of the record of a request.
const EventName = "admin.request"

// EventName is the OpenTelemetry event name of the event's record:
// admin.request, admin.act for an act without a request, audit.trail for what
// happens to the trail itself.
func (e *Event) EventName() string {
	switch e.Type {
	case CLI, Job, MCP:
		return "admin.act"
	case Trail:
		return "audit.trail"
	case Web, API:
	}
	return EventName
}

// ScopeName is the instrumentation scope of every record of an event.
const ScopeName = "github.com/adminsessions/adminsessions"

// Version is the version of this module, the instrumentation scope's version.
const Version = "0.1.0"

// Record returns the event as an OpenTelemetry log record: its line is the
// body, so that it is the same line in Loki whatever the way there, and its
// fields are attributes under the names of the semantic conventions. The trace
// is not part of the record; a provider takes it from the context given to
// Emit.
func (e *Event) Record() log.Record {
	var r log.Record
	r.SetEventName(e.EventName())
	r.SetTimestamp(e.Time)
	r.SetObservedTimestamp(e.Time.Add(e.Duration))
	r.SetSeverity(e.Severity())
	r.SetSeverityText(e.Severity().String())
	r.SetBody(attribute.StringValue(e.Line()))
	attrs := make([]attribute.KeyValue, 0, len(fields)+len(e.Attributes))
	for i := range fields {
		if kv, ok := fields[i].attribute(e); ok {
			attrs = append(attrs, kv)
		}
	}
	if len(e.Changes) > 0 {
		attrs = append(attrs, attribute.Map(keyChanges, changeValues(e.Changes)...))
	}
	r.AddAttributes(append(attrs, e.Attributes...)...)
	return r
}

// keyChanges is an attribute with a map: by field, a map with old and new.
const (
	keyChanges = "admin.changes"
	keyOld     = "old"
	keyNew     = "new"
)

func changeValues(changes []Change) []attribute.KeyValue {
	fields := make([]attribute.KeyValue, 0, len(changes))
	for _, c := range changes {
		var values []attribute.KeyValue
		if c.Old != "" {
			values = append(values, attribute.String(keyOld, c.Old))
		}
		if c.New != "" {
			values = append(values, attribute.String(keyNew, c.New))
		}
		fields = append(fields, attribute.Map(c.Field, values...))
	}
	return fields
}

func changesOf(v attribute.Value) (changes []Change) {
	for _, field := range v.AsMap() {
		c := Change{Field: string(field.Key)}
		for _, kv := range field.Value.AsMap() {
			switch kv.Key {
			case keyOld:
				c.Old = kv.Value.String()
			case keyNew:
				c.New = kv.Value.String()
			}
		}
		changes = append(changes, c)
	}
	return changes
}

// LogRecord is what [EventFromRecord] reads: a record of OpenTelemetry's API or
// of its SDK.
type LogRecord interface {
	Timestamp() time.Time
	ObservedTimestamp() time.Time
	Body() attribute.Value
	WalkAttributes(func(attribute.KeyValue) bool)
}

// EventFromRecord makes an event of any log record: attributes that are fields
// become those, all others stay the application's own, and a body that is not
// the line of that event becomes the note. The trace is the caller's to set.
//
// A record can't become an event of the trail's own life: anybody can make one.
// The type [Trail] and a checkpoint stay among the application's own attributes.
func EventFromRecord(r LogRecord) Event {
	e := Event{Time: r.Timestamp()}
	if e.Time.IsZero() {
		e.Time = r.ObservedTimestamp()
	}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key == keyChanges && kv.Value.Type() == attribute.MAP {
			e.Changes = changesOf(kv.Value)
			return true
		}
		if f := byKey[string(kv.Key)]; f != nil {
			set := f.set
			if f.attr != nil {
				set = f.attr
			}
			if set(&e, kv.Value.String()) == nil {
				return true
			}
		}
		e.Attributes = append(e.Attributes, kv)
		return true
	})
	if body := r.Body().String(); body != "" {
		if said, err := ParseLine(body); err != nil || said.Type != e.Type || said.RequestID != e.RequestID {
			e.Note = body
		}
	}
	if e.Stage == "" {
		e.Stage = Complete
	}
	return e
}
