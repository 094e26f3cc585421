package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/adminsessions/adminsessions"
)

// otlpForms are the two forms of OTLP/HTTP's logs.
func otlpForms() map[string]form {
	return map[string]form{
		"application/x-protobuf": {name: "otlp", events: otlpEvents(new(plog.ProtoUnmarshaler), boundedProto), answer: otlpProto, failure: otlpProtoFailure},
		"application/json":       {name: "otlp", events: otlpEvents(new(plog.JSONUnmarshaler), boundedJSON), answer: otlpJSON, failure: otlpJSONFailure},
	}
}

func otlpEvents(u plog.Unmarshaler, bounded func([]byte) error) func([]byte, func(*adminsessions.Event, error)) error {
	return func(body []byte, yield func(*adminsessions.Event, error)) (err error) {
		if err := bounded(body); err != nil {
			return err
		}
		defer func() {
			if v := recover(); v != nil { // of a parser of what strangers send
				err = fmt.Errorf("can't be read: %v", v)
			}
		}()
		logs, err := u.UnmarshalLogs(body)
		if err != nil {
			return fmt.Errorf("can't be read as OTLP logs: %w", err)
		}
		for _, rl := range logs.ResourceLogs().All() {
			service, named := rl.Resource().Attributes().Get("service.name")
			for _, sl := range rl.ScopeLogs().All() {
				for _, lr := range sl.LogRecords().All() {
					e, err := otlpEvent(lr)
					if err == nil && named && service.Type() == pcommon.ValueTypeStr {
						e.Attributes = append(e.Attributes, attribute.String("service.name", service.Str()))
					}
					yield(&e, err)
				}
			}
		}
		return nil
	}
}

func otlpEvent(lr plog.LogRecord) (adminsessions.Event, error) {
	r := otlpRecord{lr}
	if strings.EqualFold(lr.EventName(), "audit.trail") || r.isTrail() {
		return adminsessions.Event{}, errTrail
	}
	e := adminsessions.EventFromRecord(r)
	e.TraceID, e.SpanID = trace.TraceID(lr.TraceID()), trace.SpanID(lr.SpanID())
	if e.Action == "" && e.Method == "" && e.Note == "" {
		return e, fmt.Errorf("a record without admin.action, http.request.method or a body says nothing")
	}
	return e, nil
}

// otlpRecord shows a record as [adminsessions.EventFromRecord] reads it.
type otlpRecord struct{ lr plog.LogRecord }

func (r otlpRecord) Timestamp() time.Time {
	if t := r.lr.Timestamp(); t != 0 {
		return t.AsTime()
	}
	return time.Time{}
}

func (r otlpRecord) ObservedTimestamp() time.Time {
	if t := r.lr.ObservedTimestamp(); t != 0 {
		return t.AsTime()
	}
	return time.Time{}
}

func (r otlpRecord) Body() attribute.Value { return attributeValue(r.lr.Body()) }

func (r otlpRecord) WalkAttributes(f func(attribute.KeyValue) bool) {
	for key, v := range r.lr.Attributes().All() {
		if !f(attribute.KeyValue{Key: attribute.Key(key), Value: attributeValue(v)}) {
			return
		}
	}
}

// isTrail reports whether a record says in any way that it is the trail's own.
func (r otlpRecord) isTrail() bool {
	if body := r.lr.Body(); body.Type() == pcommon.ValueTypeStr {
		if e, err := adminsessions.ParseLine(body.Str()); err == nil && (e.Type == adminsessions.Trail || e.Checkpoint != "") {
			return true
		}
	}
	for key, v := range r.lr.Attributes().All() {
		if key == "audit.checkpoint" || key == "admin.interface" && strings.EqualFold(strings.TrimSpace(v.AsString()), "trail") ||
			key == "admin.action" && strings.HasPrefix(strings.ToLower(v.AsString()), "trail.") {
			return true
		}
	}
	return false
}

// attributeValue is a value in the words of OpenTelemetry's API for Go.
func attributeValue(v pcommon.Value) attribute.Value {
	switch v.Type() {
	case pcommon.ValueTypeEmpty:
		return attribute.Value{}
	case pcommon.ValueTypeBool:
		return attribute.BoolValue(v.Bool())
	case pcommon.ValueTypeInt:
		return attribute.Int64Value(v.Int())
	case pcommon.ValueTypeDouble:
		return attribute.Float64Value(v.Double())
	case pcommon.ValueTypeMap:
		var fields []attribute.KeyValue
		for key, value := range v.Map().All() {
			fields = append(fields, attribute.KeyValue{Key: attribute.Key(key), Value: attributeValue(value)})
		}
		return attribute.MapValue(fields...)
	default:
		return attribute.StringValue(v.AsString())
	}
}

// otlpProto answers with an ExportLogsServiceResponse; protobuf by hand, for it
// has two fields.
func otlpProto(w http.ResponseWriter, _, refused int, why string) {
	var partial, b []byte
	if refused > 0 {
		partial = protowire.AppendTag(partial, 1, protowire.VarintType)
		partial = protowire.AppendVarint(partial, uint64(refused))
		partial = protowire.AppendTag(partial, 2, protowire.BytesType)
		partial = protowire.AppendString(partial, why)
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, partial)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(b)
}

// otlpProtoFailure answers with a google.rpc.Status.
func otlpProtoFailure(w http.ResponseWriter, status int, why string) {
	b := protowire.AppendTag(nil, 2, protowire.BytesType)
	b = protowire.AppendString(b, why)
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func otlpJSON(w http.ResponseWriter, _, refused int, why string) {
	answer := map[string]any{}
	if refused > 0 {
		answer["partialSuccess"] = map[string]string{"rejectedLogRecords": strconv.Itoa(refused), "errorMessage": why}
	}
	writeJSON(w, http.StatusOK, answer)
}

func otlpJSONFailure(w http.ResponseWriter, status int, why string) {
	writeJSON(w, status, map[string]string{"message": why})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
