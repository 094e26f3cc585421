package adminsessions

import (
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// How the values of fields that are not strings are written and read.

var errValue = errors.New("value of the field can't be read")

// errForeign is the error of what only the exporter writes.
var errForeign = errors.New("value of the field is not for others to give")

// parseForeignType reads the type in a record, which anybody may have made.
func parseForeignType(e *Event, s string) error {
	t := Type(strings.ToUpper(strings.TrimSpace(s)))
	if t == Trail {
		return errForeign
	}
	e.Type = t
	return nil
}

func (e *Event) stage() Stage {
	if e.Stage == "" {
		return Complete
	}
	return e.Stage
}

func appendStatus(b []byte, e *Event) []byte {
	if e.Stage == Started {
		return append(b, Started...)
	}
	return appendPositive(b, e.StatusCode)
}

func parseStatus(e *Event, s string) (err error) {
	if s == string(Started) {
		e.Stage = Started
		return nil
	}
	e.StatusCode, err = strconv.Atoi(s)
	return err
}

func statusValue(e *Event) attribute.Value { return positiveValue(e.StatusCode) }

func appendCode(b []byte, e *Event) []byte {
	if e.Stage != Started {
		return b
	}
	return appendPositive(b, e.StatusCode)
}

func parseCode(e *Event, s string) (err error) {
	e.StatusCode, err = strconv.Atoi(s)
	return err
}

func appendOutcome(b []byte, e *Event) []byte {
	if e.Outcome != "" {
		return append(b, e.Outcome...)
	}
	return append(b, e.DefaultOutcome()...)
}

func appendCount(b []byte, e *Event) []byte { return appendPositive(b, e.Count) }
func countValue(e *Event) attribute.Value   { return positiveValue(e.Count) }

func parseCount(e *Event, s string) (err error) {
	e.Count, err = strconv.Atoi(s)
	return err
}

func appendPositive(b []byte, n int) []byte {
	if n <= 0 {
		return b
	}
	return strconv.AppendInt(b, int64(n), 10)
}

func positiveValue(n int) attribute.Value {
	if n <= 0 {
		return attribute.Value{}
	}
	return attribute.IntValue(n)
}

func appendSince(b []byte, e *Event) []byte {
	if e.Since.IsZero() {
		return b
	}
	return e.Since.UTC().AppendFormat(b, time.RFC3339Nano)
}

func sinceValue(e *Event) attribute.Value {
	if e.Since.IsZero() {
		return attribute.Value{}
	}
	return attribute.StringValue(string(appendSince(nil, e)))
}

func parseSince(e *Event, s string) (err error) {
	e.Since, err = time.Parse(time.RFC3339Nano, s)
	return err
}

func appendAddress(b []byte, e *Event) []byte {
	if !e.ClientAddress.IsValid() {
		return b
	}
	return e.ClientAddress.AppendTo(b)
}

func parseAddress(e *Event, s string) (err error) {
	e.ClientAddress, err = netip.ParseAddr(s)
	return err
}

// appendDuration writes milliseconds with up to three decimals: microseconds.
func appendDuration(b []byte, e *Event) []byte {
	if e.Stage == Started || e.Duration < 0 {
		return b
	}
	us := e.Duration.Microseconds()
	b = strconv.AppendInt(b, us/1000, 10)
	if us %= 1000; us != 0 {
		b = append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return b
}

func parseDuration(e *Event, s string) error { return e.setDuration(s, time.Millisecond) }
func parseSeconds(e *Event, s string) error  { return e.setDuration(s, time.Second) }

func (e *Event) setDuration(s string, unit time.Duration) error {
	f, err := strconv.ParseFloat(s, 64)
	us := math.Round(f * float64(unit/time.Microsecond))
	if err != nil || !(us >= 0 && us < math.MaxInt64/float64(time.Microsecond)) { // not a number, too
		return errValue
	}
	e.Duration = time.Duration(us) * time.Microsecond
	return nil
}

func durationValue(e *Event) attribute.Value {
	if e.Stage == Started || e.Duration < 0 {
		return attribute.Value{}
	}
	return attribute.Float64Value(e.Duration.Truncate(time.Microsecond).Seconds())
}

func appendTrace(b []byte, e *Event) []byte {
	if !e.TraceID.IsValid() {
		return b
	}
	return hex.AppendEncode(b, e.TraceID[:])
}

func appendSpan(b []byte, e *Event) []byte {
	if !e.SpanID.IsValid() {
		return b
	}
	return hex.AppendEncode(b, e.SpanID[:])
}

func parseTrace(e *Event, s string) (err error) {
	e.TraceID, err = trace.TraceIDFromHex(s)
	return err
}

func parseSpan(e *Event, s string) (err error) {
	e.SpanID, err = trace.SpanIDFromHex(s)
	return err
}
