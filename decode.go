package adminsessions

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// EventFromRecord is the way back from [Event.Record]. Attributes outside the
// vocabulary, and those whose value does not fit their name, end up in
// Attributes as they are.
func EventFromRecord(r *log.Record) Event {
	e := Event{Time: r.Timestamp(), Observed: r.ObservedTimestamp()}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if !e.set(string(kv.Key), kv.Value.String()) {
			e.Attributes = append(e.Attributes, kv)
		}
		return true
	})
	return e
}

// EventFromMetadata makes an event of an entry read from Loki: its timestamp
// and the labels and structured metadata it came with. Names outside the
// vocabulary are left out; the caller has them in the map.
func EventFromMetadata(timestamp time.Time, metadata map[string]string) Event {
	e := Event{Time: timestamp}
	for f := range Field(NumFields) {
		if v, ok := metadata[f.LokiName()]; ok {
			e.set(f.Key(), v)
		}
	}
	if v, ok := metadata[LokiName(KeyTruncated)]; ok {
		e.set(KeyTruncated, v)
	}
	if ns, err := strconv.ParseInt(metadata[LokiObservedTimestamp], 10, 64); err == nil {
		e.Observed = time.Unix(0, ns)
	}
	if ns, err := strconv.ParseInt(metadata[LokiName(KeyRequestTime)], 10, 64); err == nil {
		e.Time = time.Unix(0, ns)
	}
	return e
}

func (e *Event) set(key, value string) bool {
	if p := e.stringField(key); p != nil {
		*p = value
		return true
	}
	switch key {
	case KeySignInOutcome:
		e.SignIn.Outcome = SignInOutcome(value)
	case KeyInterface:
		e.Interface = Interface(value)
	case KeyRequestStage:
		e.Stage = Stage(value)
	case KeyClientAddress:
		addr, err := netip.ParseAddr(value)
		if err != nil {
			return false
		}
		e.ClientAddress = addr
	case KeyStatusCode:
		n, err := strconv.Atoi(value)
		if err != nil {
			return false
		}
		e.StatusCode = n
	case KeyDuration:
		s, err := strconv.ParseFloat(value, 64)
		ns := math.Round(s * float64(time.Second))
		if err != nil || !(math.Abs(ns) < math.MaxInt64) { // not a number, too
			return false
		}
		e.Duration = time.Duration(ns)
	case KeyTruncated:
		e.Truncated = strings.Split(value, ",")
	default:
		return false
	}
	return true
}

func (e *Event) stringField(key string) *string {
	switch key {
	case KeyUserID:
		return &e.User.ID
	case KeyUserFullName:
		return &e.User.FullName
	case KeyUserEmail:
		return &e.User.Email
	case KeyTargetUserID:
		return &e.Target.ID
	case KeyTargetUserFullName:
		return &e.Target.FullName
	case KeyTargetUserEmail:
		return &e.Target.Email
	case KeySignInName:
		return &e.SignIn.Name
	case KeyRequestID:
		return &e.RequestID
	case KeyNote:
		return &e.Note
	case KeyMethod:
		return &e.Method
	case KeyMethodOriginal:
		return &e.MethodOriginal
	case KeyURL:
		return &e.URL
	case KeyRoute:
		return &e.Route
	case KeyUserAgent:
		return &e.UserAgent
	case KeySessionID:
		return &e.SessionID
	case KeyErrorType:
		return &e.ErrorType
	}
	return nil
}
