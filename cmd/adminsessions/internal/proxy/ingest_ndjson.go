package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
)

// ndjsonForm is an event a line, with the names of the line in Loki:
//
//	{"time":"2026-11-25T18:00:00Z","type":"JOB","action":"invoices.remind","object":"client","object_id":"7731","note":"…","changes":{"status":["active","closed"]},"attributes":{"plan":"S"}}
func ndjsonForm() form {
	return form{
		name: "ndjson",
		events: func(body []byte, yield func(*adminsessions.Event, error)) error {
			n := 0
			lines(body, func(line []byte) {
				n++
				e, err := ndjsonEvent(line)
				if err != nil {
					err = fmt.Errorf("line %d: %w", n, err)
				}
				yield(&e, err)
			})
			if n == 0 {
				return errors.New("there is no event")
			}
			return nil
		},
		answer: func(w http.ResponseWriter, accepted, refused int, why string) {
			answer := map[string]any{"accepted": accepted, "refused": refused}
			if refused > 0 {
				answer["message"] = why
			}
			writeJSON(w, http.StatusOK, answer)
		},
		failure: otlpJSONFailure,
	}
}

func ndjsonEvent(line []byte) (adminsessions.Event, error) {
	if err := boundedJSON(line); err != nil {
		return adminsessions.Event{}, err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil || d.More() {
		return adminsessions.Event{}, errors.New("want one object in JSON")
	}
	var r ndjsonRecord
	for name, value := range object {
		if err := r.add(name, value); err != nil {
			return adminsessions.Event{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	e := adminsessions.EventFromRecord(&r)
	e.TraceID, e.SpanID = r.trace, r.span
	for _, kv := range e.Attributes {
		if _, taken := adminsessions.FieldByKey(string(kv.Key)); taken {
			return e, fmt.Errorf("%s: %q can't be read", kv.Key, kv.Value.String())
		}
	}
	if e.Action == "" && e.Method == "" {
		return e, errors.New("neither action nor method says what was done")
	}
	return e, nil
}

// ndjsonRecord shows an object as [adminsessions.EventFromRecord] reads it.
type ndjsonRecord struct {
	time  time.Time
	trace trace.TraceID
	span  trace.SpanID
	attrs []attribute.KeyValue
}

func (r *ndjsonRecord) Timestamp() time.Time         { return r.time }
func (r *ndjsonRecord) ObservedTimestamp() time.Time { return time.Time{} }
func (r *ndjsonRecord) Body() attribute.Value        { return attribute.Value{} }

func (r *ndjsonRecord) WalkAttributes(f func(attribute.KeyValue) bool) {
	for _, kv := range r.attrs {
		if !f(kv) {
			return
		}
	}
}

// ndjsonKeys are the attributes of the names in a line.
func ndjsonKey(name string) string {
	for f := range adminsessions.Fields() {
		if f.Name == name {
			return f.Key
		}
	}
	return ""
}

func (r *ndjsonRecord) add(name string, value any) (err error) {
	switch name {
	case "attributes":
		object, ok := value.(map[string]any)
		if !ok {
			return errors.New("want an object")
		}
		for key, v := range object {
			if _, taken := adminsessions.FieldByKey(key); taken || strings.HasPrefix(key, "audit.") {
				return fmt.Errorf("%s is a name of the event's own", key)
			}
			r.attrs = append(r.attrs, attribute.String(key, jsonText(v)))
		}
		return nil
	case "changes":
		return r.addChanges(value)
	}
	text := jsonText(value)
	switch name {
	case "time":
		r.time, err = time.Parse(time.RFC3339Nano, text)
		return err
	case "trace":
		r.trace, err = trace.TraceIDFromHex(text)
		return err
	case "span":
		r.span, err = trace.SpanIDFromHex(text)
		return err
	case "ms":
		ms, err := time.ParseDuration(text + "ms")
		if err != nil {
			return errors.New("want a number of milliseconds")
		}
		r.attrs = append(r.attrs, attribute.Float64("http.server.request.duration", ms.Seconds()))
		return nil
	case "type":
		if strings.EqualFold(text, string(adminsessions.Trail)) {
			return errTrail
		}
	case "checkpoint":
		return errTrail
	case "status":
		if text == string(adminsessions.Started) {
			r.attrs = append(r.attrs, attribute.String("admin.request.stage", text))
			return nil
		}
	}
	key := ndjsonKey(name)
	if key == "" {
		return errors.New("there is no such name: want those of the line, time, changes or attributes")
	}
	r.attrs = append(r.attrs, attribute.String(key, text))
	return nil
}

func (r *ndjsonRecord) addChanges(value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return errors.New(`want {"field": [old, new], …}`)
	}
	var fields []attribute.KeyValue
	for field, v := range object {
		pair, ok := v.([]any)
		if !ok || len(pair) != 2 {
			return fmt.Errorf("%s: want [old, new]", field)
		}
		fields = append(fields, attribute.Map(field, attribute.String("old", jsonText(pair[0])), attribute.String("new", jsonText(pair[1]))))
	}
	r.attrs = append(r.attrs, attribute.Map("admin.changes", fields...))
	return nil
}

// jsonText is a value as text; null is none.
func jsonText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
