package cli

import (
	"encoding/json"
	"io"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

// eventWriter writes events as a command prints them.
type eventWriter func(*trail.Event) error

// events returns how events are printed: for people, or as JSON.
func (o *Output) events(w *World) eventWriter {
	if o.JSON {
		enc := newEncoder(w.Stdout)
		return func(e *trail.Event) error { return enc.Encode(export.EventOf(e)) }
	}
	r := &rows{w: w.Stdout, colour: o.palette(w), zone: o.zone()}
	return r.write
}

// newEncoder writes JSON as the rest of the product does: one document a line.
func newEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// document prints one JSON document, for people to read, too.
func document(w io.Writer, v any) error {
	enc := newEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
