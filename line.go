package adminsessions

import (
	"slices"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions/internal/text"
)

// MaxLineBytes is more than any line takes, the exporter's part included. It is
// within Loki's max_line_size, 256 KiB by default.
const MaxLineBytes = 250_000

// roomyLine is where a line stops growing by changes and attributes. Escapes can
// make a value six times as long.
const roomyLine = MaxLineBytes - 6*(limitNote+limitSigned+MaxAttributeBytes) - 66_000

const (
	unknown        = "-"
	attributeName  = "attr."
	oldName        = "was."
	newName        = "now."
	changesName    = "changes"
	sequenceName   = "seq"
	arrivalName    = "at"
	replacement    = text.Replacement
	maxNamesOfCuts = 64
	separator      = '\t' // of the parts
)

// Line is the event in one line, see [Event.AppendLine].
func (e *Event) Line() string { return string(e.AppendLine(make([]byte, 0, 512))) }

// AppendLine appends the event as one line of logfmt (⇥ is a TAB):
//
//	type=API method=DELETE status=204 email=anna@example.com ip=10.2.3.4 id=2 action=clients.delete outcome=success url="https://panel.example/api/clients/7731" name="Anna Kowalska" note="client 7731 deleted"⇥session=ab12 request=e78e ms=12.1 route="/api/clients/{id}" ua="curl/8.5" attr.plan="S"
//
// [Fields] has every key, in this order. What people read and search for comes
// first, what programs need behind the TAB. In each part the words come first,
// always all of them, "-" for what is not known: a query reads them by their
// position. Texts follow in quotes, only those that are known.
//
// Nothing that a client sends can forge a part. A text is quoted as JSON
// quotes, so quotes, backslashes and control characters are escaped, and a TAB
// can't occur. In a word, bytes that would end it (space, control characters,
// quotes, "=", "%", backslash, angle brackets) are percent-encoded. What is not
// UTF-8, and U+FFFD itself, becomes □ (U+25A1): Loki 3.7.8 fails a whole query
// if a label that it takes out of a line holds U+FFFD.
//
// Values longer than their limits are cut between two characters, and named in
// cut="…" at the end. e itself is not changed.
func (e *Event) AppendLine(b []byte) []byte {
	w := lineWriter{b: b, cut: e.Cut}
	part := People
	for i := range fields {
		f := &fields[i]
		if f.Name == "" || f.Name == cutName {
			continue
		}
		if f.Part != part {
			w.changes(e.Changes)
			part = f.Part
			w.b = append(w.b, separator)
			w.start = true
		} else {
			w.start = i == 0
		}
		w.field(f, e)
	}
	for i := range e.Attributes {
		if i == MaxAttributes || len(w.b)-len(b) > roomyLine {
			w.mark(attributeName)
			break
		}
		w.attribute(string(e.Attributes[i].Key), e.Attributes[i].Value.String())
	}
	if len(w.cut) > 0 {
		w.key(cutName)
		w.b = append(w.b, '"')
		n := len(w.b)
		w.b = appendEscaped(w.b, string(appendJoined(nil, w.cut)))
		w.b = append(w.b[:n+fitting(w.b[n:], limitNote)], '"')
	}
	return w.b
}

// AppendSequence appends the exporter's part of a line: a TAB, the event's
// number in its log, and, unless at is zero, when the request arrived, where
// the entry has another time in Loki.
func AppendSequence(b []byte, seq uint64, at time.Time) []byte {
	b = append(b, separator)
	b = append(b, sequenceName+"="...)
	b = strconv.AppendUint(b, seq, 10)
	if !at.IsZero() {
		b = append(b, " "+arrivalName+"="...)
		b = strconv.AppendInt(b, at.UnixNano(), 10)
	}
	return b
}

// lineWriter writes one line.
type lineWriter struct {
	b     []byte
	start bool     // of a part: no space before the next key
	cut   []string // the event's own until something is added
	owned bool     // cut is ours
}

func (w *lineWriter) mark(name string) {
	if len(w.cut) >= maxNamesOfCuts || slices.Contains(w.cut, name) {
		return
	}
	if !w.owned {
		w.cut, w.owned = slices.Clone(w.cut), true
	}
	w.cut = append(w.cut, name)
}

func (w *lineWriter) key(name string) {
	if !w.start {
		w.b = append(w.b, ' ')
	}
	w.start = false
	w.b = append(w.b, name...)
	w.b = append(w.b, '=')
}

func (w *lineWriter) field(f *Field, e *Event) {
	if f.text == nil {
		w.plain(f, e)
		return
	}
	s := *f.text(e)
	if len(s) > f.Limit {
		s = cutString(s, f.Limit)
		w.mark(f.Name)
	}
	switch {
	case f.Word:
		w.key(f.Name)
		w.b = appendWord(w.b, s)
	case s != "":
		w.key(f.Name)
		w.b = append(w.b, '"')
		w.b = appendEscaped(w.b, s)
		w.b = append(w.b, '"')
	}
}

// plain writes a field that is not a string. Most are made of digits; the zone
// of an address may hold anything.
func (w *lineWriter) plain(f *Field, e *Event) {
	n, start := len(w.b), w.start
	w.key(f.Name)
	v := len(w.b)
	w.b = f.append(w.b, e)
	switch {
	case len(w.b) == v && f.Word:
		w.b = append(w.b, unknown...)
	case len(w.b) == v:
		w.b, w.start = w.b[:n], start
	case len(w.b)-v > f.Limit || !isWord(w.b[v:]):
		s := string(w.b[v:])
		if len(s) > f.Limit {
			w.mark(f.Name)
		}
		w.b = appendWord(w.b[:v], cutString(s, f.Limit))
	}
}

// changes writes what was changed, field by field.
func (w *lineWriter) changes(changes []Change) {
	start := len(w.b)
	for i, c := range changes {
		if i == MaxChanges || len(w.b)-start > roomyLine/2 {
			w.mark(changesName)
			return
		}
		w.named(oldName, c.Field, c.Old, MaxChangeBytes)
		w.named(newName, c.Field, c.New, MaxChangeBytes)
	}
}

// attribute writes one attribute of the application.
func (w *lineWriter) attribute(key, value string) {
	w.named(attributeName, key, value, MaxAttributeBytes)
}

// named writes a text under a key that the application has chosen.
func (w *lineWriter) named(prefix, key, value string, limit int) {
	if key == "" || value == "" {
		return
	}
	w.b = append(w.b, ' ')
	n := len(w.b)
	w.b = append(w.b, prefix...)
	for i := range min(len(key), MaxKeyBytes) {
		c := key[i]
		if !isKeyByte(c) {
			c = '_'
		}
		w.b = append(w.b, c)
	}
	if len(value) > limit {
		value = cutString(value, limit)
		w.mark(string(w.b[n:]))
	}
	w.b = append(w.b, '=', '"')
	w.b = appendEscaped(w.b, value)
	w.b = append(w.b, '"')
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// appendJoined appends names, separated by commas.
func appendJoined(b []byte, names []string) []byte {
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, n...)
	}
	return b
}
