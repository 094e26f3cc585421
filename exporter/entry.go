package exporter

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
)

// A spooled record is the stream's labels, as Loki writes them, behind their
// length as a uvarint, and then the fields of Loki's EntryAdapter message that
// are known when a record is accepted: the line and the structured metadata.
// The timestamp and the sequence number are given by the spool, and the batch
// adds them (batch.go). So a batch is made by copying.
//
// Field numbers are those of github.com/grafana/loki/pkg/push, push.proto.
const (
	tagEntryTimestamp = 1<<3 | 2
	tagEntryLine      = 2<<3 | 2
	tagEntryMetadata  = 3<<3 | 2
	tagPairName       = 1<<3 | 2
	tagPairValue      = 2<<3 | 2
)

// encoder makes the payload of one record. It belongs to one goroutine at a
// time and comes from encoders.
type encoder struct {
	buf       []byte
	scratch   []byte
	name      []byte // scratch
	names     int
	bytes     int // of metadata
	truncated []byte
	// first is the offset of the first metadata pair, so that a second one of the
	// same name can be told; unique says that there is none, because the names
	// come from the vocabulary alone.
	first  int
	unique bool
}

var encoders = sync.Pool{New: func() any { return &encoder{buf: make([]byte, 0, 2048), scratch: make([]byte, 0, 512)} }}

func newEncoder(labels string) *encoder {
	e := encoders.Get().(*encoder)
	e.buf = binary.AppendUvarint(e.buf[:0], uint64(len(labels)))
	e.buf = append(e.buf, labels...)
	e.names, e.bytes, e.unique = 0, 0, false
	e.truncated = e.truncated[:0]
	return e
}

func (e *encoder) release() {
	if cap(e.buf) <= 1<<20 {
		encoders.Put(e)
	}
}

// event encodes ev as the OpenTelemetry record of it would be.
func (e *encoder) event(ev *adminsessions.Event, sc trace.SpanContext) {
	e.scratch = ev.AppendSentence(e.scratch[:0])
	e.line(view(e.scratch))
	e.first = len(e.buf)
	e.unique = len(ev.Attributes) == 0
	sev := ev.Severity()
	e.fields(ev.Observed, int(sev), sev.String(), sc.TraceID(), sc.SpanID(), sc.TraceFlags())
	e.scope(adminsessions.ScopeName, adminsessions.Version)
	rest := *ev
	if ev.ClientAddress.IsValid() {
		// WalkFields has it first, too, but must make a string of it.
		e.scratch = ev.ClientAddress.AppendTo(e.scratch[:0])
		e.named(adminsessions.KeyClientAddress, fieldNames[adminsessions.FieldClientAddress], view(e.scratch))
		rest.ClientAddress = netip.Addr{}
	}
	rest.WalkFields(e.field)
	for _, kv := range ev.Attributes {
		e.add(kv)
	}
	if len(ev.Cut) > 0 {
		e.pair(adminsessions.KeyTruncated, strings.Join(ev.Cut, ","))
	}
}

// record encodes an OpenTelemetry log record as Loki's OTLP endpoint would.
func (e *encoder) record(r *sdklog.Record) {
	e.line(r.Body().String())
	e.first = len(e.buf)
	observed := r.ObservedTimestamp()
	if r.Timestamp().IsZero() {
		observed = time.Time{} // it is the entry's timestamp then
	}
	e.fields(observed, int(r.Severity()), r.SeverityText(), r.TraceID(), r.SpanID(), r.TraceFlags())
	scope := r.InstrumentationScope()
	e.scope(scope.Name, scope.Version)
	r.WalkAttributes(e.add)
}

// add is attribute for a walk. The record's own fields come before its
// attributes, so that those can't push them out.
func (e *encoder) add(kv attribute.KeyValue) bool {
	e.attribute(string(kv.Key), kv.Value, 0)
	return true
}

// The encoded names of what a record has beside its attributes.
var (
	nameObservedTimestamp = appendName(nil, adminsessions.LokiObservedTimestamp)
	nameSeverityNumber    = appendName(nil, adminsessions.LokiSeverityNumber)
	nameSeverityText      = appendName(nil, adminsessions.LokiSeverityText)
	nameFlags             = appendName(nil, adminsessions.LokiFlags)
	nameTraceID           = appendName(nil, adminsessions.LokiTraceID)
	nameSpanID            = appendName(nil, adminsessions.LokiSpanID)
	nameScopeName         = appendName(nil, adminsessions.LokiScopeName)
	nameScopeVersion      = appendName(nil, adminsessions.LokiScopeVersion)
)

func (e *encoder) scope(name, version string) {
	e.named(adminsessions.LokiScopeName, nameScopeName, name)
	e.named(adminsessions.LokiScopeVersion, nameScopeVersion, version)
}

func (e *encoder) fields(observed time.Time, severity int, severityText string, traceID trace.TraceID, spanID trace.SpanID, flags trace.TraceFlags) {
	if !observed.IsZero() {
		e.namedInt(adminsessions.LokiObservedTimestamp, nameObservedTimestamp, observed.UnixNano())
	}
	if severity != 0 {
		e.namedInt(adminsessions.LokiSeverityNumber, nameSeverityNumber, int64(severity))
	}
	e.named(adminsessions.LokiSeverityText, nameSeverityText, severityText)
	if flags != 0 {
		e.namedInt(adminsessions.LokiFlags, nameFlags, int64(flags))
	}
	if traceID.IsValid() {
		e.namedHex(adminsessions.LokiTraceID, nameTraceID, traceID[:])
	}
	if spanID.IsValid() {
		e.namedHex(adminsessions.LokiSpanID, nameSpanID, spanID[:])
	}
}

func (e *encoder) namedInt(key string, name []byte, v int64) {
	e.scratch = strconv.AppendInt(e.scratch[:0], v, 10)
	e.named(key, name, view(e.scratch))
}

func (e *encoder) namedHex(key string, name, v []byte) {
	e.scratch = hex.AppendEncode(e.scratch[:0], v)
	e.named(key, name, view(e.scratch))
}

// attribute appends one attribute, or several where it is a map.
func (e *encoder) attribute(key string, v attribute.Value, depth int) {
	switch v.Type() {
	case attribute.STRING:
		e.pair(key, v.AsString())
	case attribute.INT64:
		e.pairInt(key, v.AsInt64())
	case attribute.FLOAT64:
		e.scratch = appendFloat(e.scratch[:0], v.AsFloat64())
		e.pairBytes(key, e.scratch)
	case attribute.MAP:
		if depth >= maxNesting {
			e.markTruncated(key)
			return
		}
		for _, kv := range v.AsMap() {
			e.attribute(key+"_"+string(kv.Key), kv.Value, depth+1)
		}
	default:
		e.pair(key, v.String())
	}
}

func (e *encoder) line(s string) {
	if len(s) > maxLineBytes {
		s = cutString(s, maxLineBytes)
		e.markTruncated("line")
	}
	e.buf = append(e.buf, tagEntryLine)
	e.buf = appendClean(e.buf, s)
}

// markTruncated remembers that what name stands for was cut or left out.
func (e *encoder) markTruncated(name string) {
	if len(e.truncated)+len(name) > 4<<10 {
		return // the list itself is bounded; what is cut is counted all the same
	}
	if len(e.truncated) > 0 {
		e.truncated = append(e.truncated, ',')
	}
	e.truncated = append(e.truncated, name...)
}

func (e *encoder) pairInt(key string, v int64) {
	e.scratch = strconv.AppendInt(e.scratch[:0], v, 10)
	e.pairBytes(key, e.scratch)
}

func (e *encoder) pairBytes(key string, v []byte) { e.pair(key, view(v)) }

// pair appends one name and value. Loki drops an empty value, so it is left
// out, and refuses the whole push for an empty name.
func (e *encoder) pair(key, v string) {
	if v == "" || key == "" {
		return
	}
	if len(key) > maxNameBytes {
		key = cutString(key, maxNameBytes)
		e.markTruncated(key)
	}
	e.name = appendName(e.name[:0], key)
	if !e.unique && duplicate(e.buf[e.first:], e.name) {
		// Two keys that differ only in what becomes an underscore. Loki would
		// keep either one; the first is kept, the other is named as cut.
		e.markTruncated(key)
		return
	}
	e.named(key, e.name, v)
}

// named appends one pair whose name is encoded and known not to stand twice.
// An empty value is left out.
func (e *encoder) named(key string, name []byte, v string) {
	if v == "" {
		return
	}
	if len(v) > maxValueBytes {
		v = cutString(v, maxValueBytes)
		e.markTruncated(key)
	}
	if e.names >= maxMetadataNames || e.bytes+len(name)+len(v) > maxMetadataBytes {
		e.markTruncated(key)
		return
	}
	e.names++
	e.bytes += len(name) + len(v)
	start := len(e.buf)
	// A pair of up to 127 bytes, nearly every one, has a length of one byte;
	// room is left for that, and a longer one is moved.
	e.buf = append(e.buf, tagEntryMetadata, 0)
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, tagPairValue)
	e.buf = appendClean(e.buf, v)
	e.buf = fixLength(e.buf, start+1)
}

// fieldNames are the encoded names of an event's own fields.
var fieldNames = func() (names [adminsessions.NumFields][]byte) {
	for f := range names {
		names[f] = appendName(nil, adminsessions.LegacyField(f).Key())
	}
	return names
}()

// field appends one of an event's own fields.
func (e *encoder) field(f adminsessions.LegacyField, v attribute.Value) bool {
	var text string
	switch v.Type() {
	case attribute.STRING:
		text = v.AsString()
	case attribute.INT64:
		e.scratch = strconv.AppendInt(e.scratch[:0], v.AsInt64(), 10)
		text = view(e.scratch)
	case attribute.FLOAT64:
		e.scratch = appendFloat(e.scratch[:0], v.AsFloat64())
		text = view(e.scratch)
	default:
		text = v.String()
	}
	e.named(f.Key(), fieldNames[f], text)
	return true
}

// duplicate reports whether one of the encoded pairs begins with this encoded
// name.
func duplicate(pairs, name []byte) bool {
	for len(pairs) > 0 {
		n, w := binary.Uvarint(pairs[1:])
		pairs = pairs[1+w:]
		if bytes.HasPrefix(pairs[:n], name) {
			return true
		}
		pairs = pairs[n:]
	}
	return false
}

// finish appends the list of what was cut and returns the payload, which is
// valid until release.
func (e *encoder) finish() []byte {
	if len(e.truncated) == 0 {
		return e.buf
	}
	names := string(e.truncated)
	e.names, e.bytes = 0, 0 // room was left for this one
	key := adminsessions.KeyTruncated
	if duplicate(e.buf[e.first:], appendName(nil, key)) {
		// The event brought a list of its own; it stays, and the exporter's
		// stands beside it.
		key += ".exporter"
	}
	e.pair(key, names)
	return e.buf
}

func appendName(b []byte, key string) []byte {
	length := len(b) + 1
	b = append(b, tagPairName, 0)
	b = adminsessions.AppendLokiName(b, key)
	return fixLength(b, length)
}

// fixLength writes the length of b[i+1:] at b[i], where one byte was left for
// it, and makes room if that is not enough.
func fixLength(b []byte, i int) []byte {
	n := len(b) - i - 1
	if n < 0x80 {
		b[i] = byte(n)
		return b
	}
	var tmp [binary.MaxVarintLen64]byte
	w := binary.PutUvarint(tmp[:], uint64(n))
	b = append(b, tmp[:w-1]...)
	copy(b[i+w:], b[i+1:i+1+n])
	copy(b[i:], tmp[:w])
	return b
}

// appendClean appends s behind its length. Loki replaces invalid UTF-8 and NUL
// in silence; here both become U+FFFD, so that what is spooled is what is
// stored.
func appendClean(b []byte, s string) []byte {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		b = binary.AppendUvarint(b, uint64(len(s)))
		return append(b, s...)
	}
	i := len(b)
	b = append(b, 0)
	for _, r := range s {
		if r == 0 {
			r = utf8.RuneError
		}
		b = utf8.AppendRune(b, r)
	}
	return fixLength(b, i)
}

// cutString returns the longest prefix of s of at most n bytes that does not
// end within a rune.
func cutString(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// view is b as a string without a copy, for as long as b is not written to.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendFloat formats f as Loki's OTLP endpoint does: as JavaScript would.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	return append(b, attribute.Float64Value(f).String()...)
}
