package instrumentation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// Bounds of a comparison. What lies deeper, or comes later, is not compared,
// and the record says so: changes are named among what was cut.
const (
	maxChangeDepth  = 8
	maxChangeFields = 1024
	maxChangeItems  = 64 // of one list
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
// not from what to what. Fields that are not exported are left out.
//
// Changes of several calls add up. At most [adminsessions.MaxChanges] are
// recorded. It never panics, whatever the values' own methods do, and a value
// that points to itself ends at a depth of 8.
func (r Recording) Changed(before, after any) bool {
	if r.s == nil {
		return false
	}
	old, now := flattened(before), flattened(after)
	changes := difference(&old, &now)
	return r.update(func(m *middleware, e *adminsessions.Event) {
		for _, c := range changes {
			if len(e.Changes) == adminsessions.MaxChanges {
				old.cut = true
				break
			}
			c.Old = m.bounded(e, changedField, c.Old)
			c.New = m.bounded(e, changedField, c.New)
			e.Changes = append(e.Changes, c)
		}
		if old.cut || now.cut {
			markCut(e, changedField.name)
		}
	})
}

// changedField is the limit of a value, and the name of all changes among what
// was cut.
var changedField = field{name: "changes", limit: adminsessions.MaxChangeBytes}

// Changed is [Recording.Changed] for the request to which ctx belongs.
func Changed(ctx context.Context, before, after any) bool {
	return FromContext(ctx).noteSpan(ctx).Changed(before, after)
}

// flat is a value as names and texts, in the order of the names.
type flat struct {
	fields []flatField
	cut    bool
}

type flatField struct {
	name, value string
	secret      bool
}

func flattened(v any) (f flat) {
	defer func() {
		if recover() != nil { // of a map that is written to meanwhile, say
			f.cut = true
		}
		slices.SortStableFunc(f.fields, func(a, b flatField) int { return strings.Compare(a.name, b.name) })
	}()
	if v != nil {
		f.add("", reflect.ValueOf(v), false, 0)
	}
	return f
}

// difference merges two sorted lists.
func difference(old, now *flat) (changes []adminsessions.Change) {
	a, b := old.fields, now.fields
	for len(a) > 0 || len(b) > 0 {
		var c adminsessions.Change
		secret := false
		if len(b) == 0 || len(a) > 0 && a[0].name <= b[0].name {
			c.Field, c.Old, secret = a[0].name, a[0].value, a[0].secret
		} else {
			c.Field = b[0].name
		}
		if len(a) > 0 && a[0].name == c.Field {
			a = a[1:]
		}
		if len(b) > 0 && b[0].name == c.Field {
			c.New, secret = b[0].value, secret || b[0].secret
			b = b[1:]
		}
		if c.Old == c.New {
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
func (f *flat) add(name string, v reflect.Value, secret bool, depth int) {
	if depth > maxChangeDepth || len(f.fields) >= maxChangeFields {
		f.cut = true
		return
	}
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		if text, ok := textOf(v); ok {
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
	if text, ok := textOf(v); ok {
		f.put(name, text, secret)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.addStruct(name, v, secret, depth)
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			key, ok := textOf(iter.Key())
			if !ok {
				if key, ok = numberOf(iter.Key()); !ok {
					f.cut = true
					continue
				}
			}
			f.add(join(name, key), iter.Value(), secret || isSecretName(key), depth+1)
		}
	case reflect.Slice, reflect.Array:
		f.addList(name, v, secret, depth)
	default:
		if text, ok := numberOf(v); ok {
			f.put(name, text, secret)
		}
	}
}

func (f *flat) addStruct(name string, v reflect.Value, secret bool, depth int) {
	t := v.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("audit")
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || tag == "-" || key == "-" && options == "" {
			continue
		}
		if field.Anonymous && key == "" {
			f.add(name, v.Field(i), secret || tag == "secret", depth+1)
			continue
		}
		if key == "" {
			key = field.Name
		}
		f.add(join(name, key), v.Field(i), secret || tag == "secret" || isSecretName(key), depth+1)
	}
}

func (f *flat) addList(name string, v reflect.Value, secret bool, depth int) {
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

// addBytes adds JSON as what it holds, an array of bytes in hexadecimal, and
// other bytes as their number and the beginning of their SHA-256.
func (f *flat) addBytes(name string, v reflect.Value, secret bool, depth int) {
	if v.Kind() == reflect.Array {
		var hexadecimal strings.Builder
		for i := range min(v.Len(), adminsessions.MaxChangeBytes) {
			fmt.Fprintf(&hexadecimal, "%02x", v.Index(i).Uint())
		}
		f.put(name, hexadecimal.String(), secret)
		return
	}
	b := v.Bytes()
	var decoded any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&decoded) == nil && !d.More() {
		f.add(name, reflect.ValueOf(decoded), secret, depth+1)
		return
	}
	f.put(name, fmt.Sprintf("%d bytes, %.4x", len(b), sha256.Sum256(b)), secret)
}

func (f *flat) put(name, text string, secret bool) {
	if name == "" {
		name = "value"
	}
	f.fields = append(f.fields, flatField{name, text, secret})
}

// textOf is a value that knows how to be text. A method that panics is as good
// as none.
func textOf(v reflect.Value) (text string, ok bool) {
	switch {
	case v.Kind() == reflect.String:
		return v.String(), true
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case !v.CanInterface():
		return "", false
	}
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	switch x := v.Interface().(type) {
	case time.Time:
		return x.Format(time.RFC3339Nano), true
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		return string(b), err == nil
	case fmt.Stringer:
		return x.String(), true
	case error:
		return x.Error(), true
	}
	return "", false
}

func numberOf(v reflect.Value) (string, bool) {
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), true
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), true
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), true
	case v.CanComplex():
		return strconv.FormatComplex(v.Complex(), 'g', -1, v.Type().Bits()), true
	}
	return "", false
}

func join(name, key string) string {
	if name == "" {
		return key
	}
	return name + "." + key
}
