// Package export writes events of the trail for other programs: a spreadsheet
// ([CSV]), or whatever reads JSON ([NDJSON]). The page and the command line share
// it.
package export

import (
	"encoding/json"
	"io"
	"maps"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// Format is a form in which events are exported.
type Format struct {
	Name, Extension, ContentType string

	newWriter func(io.Writer) Writer
}

// CSV is for spreadsheets: a header, then a row for each event.
func CSV() Format {
	return Format{"CSV", ".csv", "text/csv; charset=utf-8", func(w io.Writer) Writer { return newCSVWriter(w) }}
}

// NDJSON is for programs: a JSON object a line, which is an [Event].
func NDJSON() Format {
	return Format{"NDJSON", ".ndjson", "application/x-ndjson", func(w io.Writer) Writer { return newNDJSONWriter(w) }}
}

// NewWriter returns a writer of events in this form to w.
func (f *Format) NewWriter(w io.Writer) Writer { return f.newWriter(w) }

// Writer writes events. Start writes what stands before the first one, and Flush
// what is held back.
type Writer interface {
	Start() error
	Write(*trail.Event) error
	Flush() error
}

// Event is an event as JSON: of the page's API and of NDJSON.
type Event struct {
	Time   time.Time `json:"time"`
	Cursor string    `json:"cursor"`
	// Line is the line as Loki holds it.
	Line string `json:"line"`
	// Fields are everything that the line says, by its keys; Labels say which
	// application recorded it.
	Fields map[string]string `json:"fields"`
	Labels map[string]string `json:"labels"`
}

// EventOf is e as JSON.
func EventOf(e *trail.Event) Event {
	return Event{Time: e.Time.UTC(), Cursor: e.Cursor().String(), Line: e.Line,
		Fields: maps.Collect(Fields(e)), Labels: e.Labels}
}

// ndjsonWriter writes one JSON object a line.
type ndjsonWriter struct{ enc *json.Encoder }

func newNDJSONWriter(w io.Writer) ndjsonWriter {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return ndjsonWriter{enc}
}

func (n ndjsonWriter) Start() error               { return nil }
func (n ndjsonWriter) Write(e *trail.Event) error { return n.enc.Encode(EventOf(e)) }
func (n ndjsonWriter) Flush() error               { return nil }
