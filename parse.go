package adminsessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// ErrNotEvent is what [ParseLine] says of a line that is no event's.
var ErrNotEvent = errors.New("not the line of an event")

// ParseLine is the way back from [Event.AppendLine] and [AppendSequence]. It
// takes whatever stands in Loki: an error that wraps [ErrNotEvent] means that
// the line does not begin with the words of an event in their order, or can't
// be taken apart. A value that does not fit its field is kept among Attributes,
// under the field's name; so is a key that is not known.
//
// Time is set only where the line says when the request arrived; else it is the
// entry's time, which the caller has.
func ParseLine(line string) (Event, error) {
	var e Event
	people, rest, ok := strings.Cut(line, string(separator))
	if !ok {
		return Event{}, fmt.Errorf("%w: it has no TAB", ErrNotEvent)
	}
	machines, exporter, _ := strings.Cut(rest, string(separator))
	if err := e.parsePart(people, People); err != nil {
		return Event{}, err
	}
	if err := e.parsePart(machines, Machines); err != nil {
		return Event{}, err
	}
	if err := e.parseExporter(exporter); err != nil {
		return Event{}, err
	}
	if e.Stage == "" {
		e.Stage = Complete
	}
	return e, nil
}

// SequenceOf reads the event's number out of the exporter's part of a line, and
// nothing else: whatever stands before it may be no event's.
func SequenceOf(line string) (seq uint64, ok bool) {
	i := strings.LastIndexByte(line, separator)
	if i < 0 {
		return 0, false
	}
	var e Event
	if e.parseExporter(line[i+1:]) != nil || e.Sequence == 0 {
		return 0, false
	}
	return e.Sequence, true
}

// parsePart reads a part whose words must come first and in order.
func (e *Event) parsePart(s string, part Part) error {
	p := pairs{rest: s}
	for i := range fields {
		f := &fields[i]
		if !f.Word || f.Part != part {
			continue
		}
		name, value, quoted, ok := p.next()
		if !ok || quoted || name != f.Name {
			return fmt.Errorf("%w: want %s= where %.40q begins", ErrNotEvent, f.Name, p.last)
		}
		e.take(f, name, value)
	}
	for p.rest != "" {
		name, value, _, ok := p.next()
		if !ok {
			return fmt.Errorf("%w: %.40q is neither key=word nor key=\"text\"", ErrNotEvent, p.last)
		}
		f := byName[name]
		if f != nil && (f.Word || f.Part != part) {
			f = nil // a second one, or one where it can't be: not the field
		}
		if f == nil && part == People && e.takeChange(name, value) {
			continue
		}
		e.take(f, name, value)
	}
	return nil
}

func (e *Event) parseExporter(s string) (err error) {
	p := pairs{rest: s}
	for p.rest != "" {
		name, value, _, ok := p.next()
		switch {
		case !ok:
			return fmt.Errorf("%w: %.40q in the exporter's part", ErrNotEvent, p.last)
		case name == sequenceName:
			e.Sequence, err = strconv.ParseUint(value, 10, 64)
		case name == arrivalName:
			var ns int64
			ns, err = strconv.ParseInt(value, 10, 64)
			e.Time = time.Unix(0, ns)
		}
		if err != nil {
			return fmt.Errorf("%w: %s in the exporter's part: %w", ErrNotEvent, name, err)
		}
	}
	return nil
}

// take sets a field, or keeps the value as an attribute where f is nil or the
// value does not fit it.
func (e *Event) take(f *Field, name, value string) {
	if value == "" || f != nil && f.set(e, value) == nil {
		return
	}
	name = strings.TrimPrefix(name, attributeName)
	e.Attributes = append(e.Attributes, attribute.String(name, value))
}

// takeChange reads an old or a new value, and reports whether it was one. The two
// values of a field stand side by side.
func (e *Event) takeChange(name, value string) bool {
	field, isOld := strings.CutPrefix(name, oldName)
	if !isOld {
		var isNew bool
		if field, isNew = strings.CutPrefix(name, newName); !isNew {
			return false
		}
	}
	n := len(e.Changes)
	switch {
	case isOld:
		e.Changes = append(e.Changes, Change{Field: field, Old: value})
	case n > 0 && e.Changes[n-1].Field == field && e.Changes[n-1].New == "":
		e.Changes[n-1].New = value
	default:
		e.Changes = append(e.Changes, Change{Field: field, New: value})
	}
	return true
}

// pairs takes a part of a line apart.
type pairs struct {
	rest string
	last string // what next has looked at
}

// next returns the next key and its value, decoded; that of an unknown word is
// "".
func (p *pairs) next() (name, value string, quoted, ok bool) {
	p.last = p.rest
	i := strings.IndexByte(p.rest, '=')
	if i <= 0 || strings.ContainsAny(p.rest[:i], ` "\`) {
		return "", "", false, false
	}
	name, p.rest = p.rest[:i], p.rest[i+1:]
	if !strings.HasPrefix(p.rest, `"`) {
		value, p.rest, _ = strings.Cut(p.rest, " ")
		if value == unknown {
			return name, "", false, true
		}
		return name, unescapeWord(value), false, true
	}
	end := endOfText(p.rest)
	if end < 0 {
		return "", "", false, false
	}
	value, ok = unescapeText(p.rest[:end])
	p.rest = p.rest[end:]
	if p.rest != "" {
		if p.rest[0] != ' ' {
			return "", "", false, false
		}
		p.rest = p.rest[1:]
	}
	return name, value, true, ok
}

// endOfText is the offset behind the quote that ends the text at the beginning
// of s, or -1.
func endOfText(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unescapeText takes the quotes off a text.
func unescapeText(s string) (string, bool) {
	plain := s[1 : len(s)-1]
	if strings.IndexByte(plain, '\\') < 0 {
		return plain, true
	}
	var value string
	if json.Unmarshal([]byte(s), &value) != nil {
		return "", false
	}
	return value, true
}

// unescapeWord undoes the percent-encoding of a word.
func unescapeWord(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
