package exporter

import (
	"bytes"
	"strings"
	"sync"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// A spooled record has the form of package spooled. The timestamp and the sequence
// number are given by the spool, and the batch adds them (batch.go). So a batch is
// made by copying.

// payload makes spooled records. It belongs to one goroutine at a time and comes
// from payloads.
type payload struct {
	buf  []byte
	line int // where in buf the line begins
}

var payloads = sync.Pool{New: func() any { return &payload{buf: make([]byte, 0, 2048)} }}

func newPayload(labels string) *payload {
	p := payloads.Get().(*payload)
	p.buf = spooled.AppendLabels(p.buf[:0], labels)
	p.line = len(p.buf)
	return p
}

func (p *payload) release() {
	if cap(p.buf) <= 1<<20 {
		payloads.Put(p)
	}
}

// cut reports whether the line says that something was cut from the event: it
// says so last, and the names that it lists hold no quote.
func (p *payload) cut() bool {
	line := p.buf[p.line:]
	if len(line) == 0 || line[len(line)-1] != '"' {
		return false
	}
	line = line[:len(line)-1]
	opening := bytes.LastIndexByte(line, '"')
	return opening >= 0 && bytes.HasSuffix(line[:opening], []byte(" cut="))
}

// lineOf returns the line of an OpenTelemetry record that is an event's, as
// adminsessions.Event.Record makes it, and the event. Anybody who has the provider
// can make a record, so none is an event of the trail's own life.
func lineOf(r *sdklog.Record) (line string, ev adminsessions.Event, ok bool) {
	if r.InstrumentationScope().Name != adminsessions.ScopeName {
		return "", ev, false
	}
	line = r.Body().String()
	// Whatever is behind a second TAB would pass for the exporter's part.
	if len(line) > adminsessions.MaxLineBytes || strings.Count(line, "\t") != 1 || strings.ContainsAny(line, "\n\r\x00\uFFFD") {
		return "", ev, false
	}
	ev, err := adminsessions.ParseLine(line)
	return line, ev, err == nil && ev.Type != adminsessions.Trail && r.EventName() == ev.EventName()
}

// eventOf makes an event of any other record.
func eventOf(r *sdklog.Record) adminsessions.Event {
	ev := adminsessions.EventFromRecord(r)
	ev.TraceID, ev.SpanID = r.TraceID(), r.SpanID()
	return ev
}
