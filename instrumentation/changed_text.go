package instrumentation

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// addBytes adds JSON as what it holds, an array of bytes in hexadecimal, and
// other bytes as their number and the beginning of their SHA-256.
func (f *flat) addBytes(name string, v reflect.Value, secret secrecy, depth int) {
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
	if len(b) <= maxChangeJSON && d.Decode(&decoded) == nil && !d.More() {
		f.add(name, reflect.ValueOf(decoded), secret, depth+1)
		return
	}
	f.put(name, fmt.Sprintf("%d bytes, %.4x", len(b), sha256.Sum256(b)), secret)
}

func (f *flat) put(name, text string, secret secrecy) {
	if name == "" {
		name = "value"
	}
	f.fields = append(f.fields, flatField{name: name, value: text, secret: secret != shown})
}

// userinfo is the type of what stands before the @ of a URL: whoever has it can sign
// in.
var userinfo = reflect.TypeFor[*url.Userinfo]()

// textOf is a value that knows how to be text. A method that panics is as good
// as none. What a struct calls itself may be only a part of it, so its fields come
// first.
func (f *flat) textOf(v reflect.Value) (text string, ok bool) {
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
	case url.URL:
		return x.String(), true
	case *url.URL:
		return x.String(), true
	case http.Cookie:
		return x.String(), true
	case *http.Cookie:
		return x.String(), true
	case net.IPNet:
		return x.String(), true
	case *net.IPNet:
		return x.String(), true
	case error:
		return x.Error(), true
	case fmt.Stringer:
		if !f.m.hasFields(reflect.TypeOf(x)) {
			return x.String(), true
		}
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
