package instrumentation

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// Bounds of a comparison. What lies deeper, or comes later, is not compared,
// and the record says so: changes are named among what was cut.
const (
	maxChangeDepth  = 8
	maxChangeFields = 1024
	maxChangeItems  = 64   // of one list
	maxChangeKeys   = 8192 // of one map that are looked at
	maxChangeVisits = 1 << 16
	maxChangeJSON   = 1 << 20 // bytes; longer JSON is compared as bytes
)

// Changed says what the request has changed: it compares a value before and
// after, field by field, and records those that differ, in the order of their
// names. before or after is nil where something was made or is gone.
//
// Values may be structs, maps, pointers to them, or JSON ([]byte,
// [json.RawMessage]); fields within fields are named with dots
// ("limits.cpu"). A struct's field has the name that encoding/json gives it; a
// tag `audit:"-"` leaves it out, and `audit:"secret"` hides its values, as a name
// that looks like a secret's does by itself: that it has changed is recorded,
// not from what to what. A yes or no is no secret because of its name ("mfa":
// true). Fields that are not exported are left out, but of an embedded struct, exported
// or not, those that are exported are taken for the struct's own, as encoding/json
// does.
//
// Changes of several calls add up. At most [adminsessions.MaxChanges] are
// recorded; whatever is too much is left out, and "changes" is then among what was
// cut. It never panics, whatever the values' own methods do, and ends with values
// that point to themselves. The values must not be changed meanwhile.
func (r Recording) Changed(before, after any) bool {
	if r.s == nil {
		return false
	}
	old, now := r.s.m.flattened(before), r.s.m.flattened(after)
	changes := difference(&old, &now)
	return r.update(func(m *middleware, e *adminsessions.Event) {
		for _, c := range changes {
			if len(e.Changes) == adminsessions.MaxChanges {
				old.cut = true
				break
			}
			c.Field = m.bounded(e, changedName, m.redaction.Text(c.Field)) // a map's keys may be anything
			c.Old = m.bounded(e, changedField, m.redaction.Text(c.Old))
			c.New = m.bounded(e, changedField, m.redaction.Text(c.New))
			e.Changes = append(e.Changes, c)
		}
		if old.cut || now.cut {
			markCut(e, changedField.name)
		}
	})
}

// changedField is the limit of a value, changedName of a field's name; all changes
// have one name among what was cut.
var (
	changedField = field{name: "changes", limit: adminsessions.MaxChangeBytes}
	changedName  = field{name: "changes", limit: adminsessions.MaxKeyBytes}
)

// Changed is [Recording.Changed] for the request to which ctx belongs.
func Changed(ctx context.Context, before, after any) bool {
	return FromContext(ctx).noteSpan(ctx).Changed(before, after)
}

// flat is a value as names and texts, in the order of the names.
type flat struct {
	m       *middleware
	fields  []flatField
	cut     bool
	partial bool // what is not among the fields may be there all the same
	visits  int
}

// secrecy says whether, and why, a value is hidden.
type secrecy int

const (
	shown       secrecy = iota
	namedSecret         // by its name, or that of what it is in
	taggedSecret
)

type flatField struct {
	name, value string
	secret      bool
}

func (m *middleware) flattened(v any) (f flat) {
	f.m = m
	defer func() {
		if recover() != nil { // of a map that is written to meanwhile, say
			f.cut, f.partial = true, true
		}
		slices.SortStableFunc(f.fields, func(a, b flatField) int { return strings.Compare(a.name, b.name) })
	}()
	if v != nil {
		f.add("", reflect.ValueOf(v), shown, 0)
	}
	return f
}

// difference merges two sorted lists.
func difference(old, now *flat) (changes []adminsessions.Change) {
	a, b := old.fields, now.fields
	for len(a) > 0 || len(b) > 0 {
		var c adminsessions.Change
		secret, was, is := false, false, false
		if len(b) == 0 || len(a) > 0 && a[0].name <= b[0].name {
			c.Field, c.Old, secret = a[0].name, a[0].value, a[0].secret
		} else {
			c.Field = b[0].name
		}
		if len(a) > 0 && a[0].name == c.Field {
			a, was = a[1:], true
		}
		if len(b) > 0 && b[0].name == c.Field {
			c.New, secret = b[0].value, secret || b[0].secret
			b, is = b[1:], true
		}
		if c.Old == c.New || !was && old.partial || !is && now.partial {
			continue
		}
		if secret {
			c.Old, c.New = hidden(c.Old), hidden(c.New)
		}
		changes = append(changes, c)
	}
	return changes
}

func hidden(value string) string {
	if value == "" {
		return ""
	}
	return redacted
}

// add adds a value, or what it is made of.
func (f *flat) add(name string, v reflect.Value, secret secrecy, depth int) {
	if depth > maxChangeDepth {
		f.cut = true
		return
	}
	if f.visits++; f.visits > maxChangeVisits || len(f.fields) >= maxChangeFields {
		f.cut, f.partial = true, true
		return
	}
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		if v.Type() == userinfo {
			secret = taggedSecret
		}
		if text, ok := f.textOf(v); ok {
			f.put(name, text, secret)
			return
		}
		if depth++; depth > maxChangeDepth {
			f.cut = true
			return
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return
	}
	if v.Kind() == reflect.Bool {
		if secret == namedSecret {
			secret = shown
		}
		f.put(name, strconv.FormatBool(v.Bool()), secret) // whether there is a second factor, say
		return
	}
	if text, ok := f.textOf(v); ok {
		f.put(name, text, secret)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.addStruct(name, v, secret, depth)
	case reflect.Map:
		f.addMap(name, v, secret, depth)
	case reflect.Slice, reflect.Array:
		f.addList(name, v, secret, depth)
	default:
		if text, ok := numberOf(v); ok {
			f.put(name, text, secret)
		}
	}
}

// addMap adds a map in the order of its keys, so that it is always the same part
// of a large one.
func (f *flat) addMap(name string, v reflect.Value, secret secrecy, depth int) {
	type entry struct {
		key   string
		value reflect.Value
	}
	byKey := func(a, b entry) int { return strings.Compare(a.key, b.key) }
	var entries []entry
	more := false
	for iter := v.MapRange(); iter.Next(); {
		key, ok := f.textOf(iter.Key())
		if !ok {
			if key, ok = numberOf(iter.Key()); !ok {
				f.cut = true
				continue
			}
		}
		if entries = append(entries, entry{key, iter.Value()}); len(entries) == 2*maxChangeKeys {
			slices.SortFunc(entries, byKey)
			entries, more = entries[:maxChangeKeys], true
		}
	}
	slices.SortFunc(entries, byKey)
	if more = more || len(entries) > maxChangeKeys; more {
		entries = entries[:maxChangeKeys]
		defer func() { f.cut, f.partial = true, true }()
	}
	for _, e := range entries {
		if f.add(join(name, e.key), e.value, f.within(secret, e.key, ""), depth+1); f.partial {
			return
		}
	}
}

// within is the secrecy of a field in what has secrecy s, by its name and its tag.
func (f *flat) within(s secrecy, name, tag string) secrecy {
	switch {
	case s == taggedSecret || tag == "secret" || f.m.isHiddenName(name):
		return taggedSecret
	case s == shown && f.m.redaction.Name(name):
		return namedSecret
	}
	return s
}

// isHiddenName reports whether the application has said that a name is a secret's.
func (m *middleware) isHiddenName(name string) bool {
	return slices.ContainsFunc(m.hiddenNames, func(hidden string) bool { return strings.EqualFold(hidden, name) })
}

// structField is a field of a struct type that is compared.
type structField struct {
	index     int
	name, tag string
	embedded  bool // its own fields are taken for the struct's
}

// maxStructTypes bounds what is remembered. A program has fewer.
const maxStructTypes = 1024

// structFields are a struct's, in the order of their names.
func (m *middleware) structFields(t reflect.Type) []structField {
	fields, ok := m.structs.Load(t)
	if ok {
		return fields
	}
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("audit")
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		embedded := field.Anonymous && key == ""
		if !field.IsExported() && (!embedded || !isStruct(field.Type)) || tag == "-" || key == "-" && options == "" {
			continue
		}
		if key == "" {
			key = field.Name
		}
		fields = append(fields, structField{i, key, tag, embedded})
	}
	slices.SortStableFunc(fields, func(a, b structField) int { return strings.Compare(a.name, b.name) })
	m.structs.Store(t, fields, maxStructTypes)
	return fields
}

// isStruct reports whether t is a struct, or a pointer to one.
func isStruct(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// hasFields reports whether a type is a struct, or a pointer to one, that has
// fields to compare.
func (m *middleware) hasFields(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && len(m.structFields(t)) > 0
}

func (f *flat) addStruct(name string, v reflect.Value, secret secrecy, depth int) {
	fields := f.m.structFields(v.Type())
	f.fields = slices.Grow(f.fields, min(len(fields), maxChangeFields))
	for _, field := range fields {
		if field.embedded {
			f.add(name, v.Field(field.index), f.within(secret, "", field.tag), depth+1)
			continue
		}
		f.add(join(name, field.name), v.Field(field.index), f.within(secret, field.name, field.tag), depth+1)
	}
}

func (f *flat) addList(name string, v reflect.Value, secret secrecy, depth int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		f.addBytes(name, v, secret, depth)
		return
	}
	for i := range v.Len() {
		if i == maxChangeItems {
			f.cut = true
			return
		}
		f.add(join(name, strconv.Itoa(i)), v.Index(i), secret, depth+1)
	}
}

func join(name, key string) string {
	if name == "" {
		return key
	}
	return name + "." + key
}
