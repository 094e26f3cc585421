package adminsessions

import (
	"net/netip"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// Interface is the way in which an administrator reached the panel.
type Interface string

// The interfaces of a panel.
const (
	Web Interface = "web" // pages, shown as WEB
	API Interface = "api" // programs, shown as API
)

// Stage says whether a request has ended.
type Stage string

// The stages of a request. A request that lives on (an upgraded connection, a
// stream, one still running after some seconds) is recorded when that is seen
// and again when it ends, both times with the same request id.
const (
	Complete Stage = "complete"
	Started  Stage = "started"
)

// SignInOutcome is what became of an attempt to sign in.
type SignInOutcome string

// The outcomes of a sign-in.
const (
	SignInSuccess SignInOutcome = "success"
	SignInFailure SignInOutcome = "failure"
)

// User is an account of the panel. The zero User is nobody.
type User struct {
	ID       string // the panel's own identifier
	FullName string
	Email    string
}

// IsZero reports whether u is nobody.
func (u User) IsZero() bool { return u == User{} }

// SignIn is an attempt to sign in. The zero SignIn is none.
type SignIn struct {
	Name    string // the name tried, never the password
	Outcome SignInOutcome
}

// Event is one request of an administrator. The zero value of a field means
// that it is not known, and it is left out of the record.
//
// Strings are expected to be clean (valid UTF-8 without control characters)
// and bounded; package instrumentation makes them so. An exporter must not
// rely on it.
type Event struct {
	// Time is when the request arrived, and Observed when this record of it
	// was made.
	Time, Observed time.Time

	Stage     Stage
	RequestID string
	Interface Interface

	// User is who acts. Target is on whose behalf, if the administrator has
	// put on somebody else's identity.
	User, Target User
	SignIn       SignIn

	ClientAddress netip.Addr
	Method        string // a method of RFC 9110 or RFC 5789, or "_OTHER"
	// MethodOriginal is the method as sent, where Method is not that.
	MethodOriginal string
	URL            string
	Route          string
	StatusCode     int
	Duration       time.Duration
	UserAgent      string
	SessionID      string // a keyed hash, never the session's secret
	ErrorType      string

	// Note is what the request did in a person's words: "client 7731 deleted".
	Note string
	// Attributes are the application's own. A key of this package's
	// vocabulary is not allowed among them.
	Attributes []attribute.KeyValue
	// Truncated names the attributes that were cut to their limits.
	Truncated []string
}

// Severity is INFO, WARN for an answer 4xx, ERROR for 5xx and for a request
// that ended in an error.
func (e *Event) Severity() log.Severity {
	switch {
	case e.StatusCode >= 500:
		return log.SeverityError
	case e.StatusCode >= 400:
		return log.SeverityWarn
	case e.ErrorType != "":
		return log.SeverityError
	}
	return log.SeverityInfo
}

// SeverityText is the short name of [Event.Severity].
func (e *Event) SeverityText() string { return e.Severity().String() }

// WalkAttributes calls f for each attribute the event has, in a fixed order,
// until f returns false. It allocates nothing but the text of an address and of
// a list of truncated names.
func (e *Event) WalkAttributes(f func(attribute.KeyValue) bool) {
	_ = e.WalkFields(func(field Field, v attribute.Value) bool {
		return f(attribute.KeyValue{Key: attribute.Key(field.Key()), Value: v})
	}) && e.walkOwn(f)
}

// WalkFields is WalkAttributes for the vocabulary's own attributes, without
// those the application has added. It reports whether f returned true to the end.
func (e *Event) WalkFields(f func(Field, attribute.Value) bool) bool {
	str := func(field Field, value string) bool {
		return value == "" || f(field, attribute.StringValue(value))
	}
	return (!e.ClientAddress.IsValid() || f(FieldClientAddress, attribute.StringValue(e.ClientAddress.String()))) &&
		str(FieldUserID, e.User.ID) &&
		str(FieldUserFullName, e.User.FullName) &&
		str(FieldUserEmail, e.User.Email) &&
		str(FieldTargetUserID, e.Target.ID) &&
		str(FieldTargetUserFullName, e.Target.FullName) &&
		str(FieldTargetUserEmail, e.Target.Email) &&
		str(FieldSignInName, e.SignIn.Name) &&
		str(FieldSignInOutcome, string(e.SignIn.Outcome)) &&
		str(FieldInterface, string(e.Interface)) &&
		str(FieldMethod, e.Method) &&
		str(FieldMethodOriginal, e.MethodOriginal) &&
		str(FieldURL, e.URL) &&
		str(FieldRoute, e.Route) &&
		(e.StatusCode == 0 || f(FieldStatusCode, attribute.IntValue(e.StatusCode))) &&
		(e.Stage == Started || f(FieldDuration, attribute.Float64Value(e.Duration.Seconds()))) &&
		str(FieldUserAgent, e.UserAgent) &&
		str(FieldSessionID, e.SessionID) &&
		str(FieldErrorType, e.ErrorType) &&
		str(FieldRequestStage, string(e.Stage)) &&
		str(FieldRequestID, e.RequestID) &&
		str(FieldNote, e.Note)
}

func (e *Event) walkOwn(f func(attribute.KeyValue) bool) bool {
	for _, kv := range e.Attributes {
		if !f(kv) {
			return false
		}
	}
	return len(e.Truncated) == 0 || f(attribute.String(KeyTruncated, strings.Join(e.Truncated, ",")))
}

// Record returns the event as an OpenTelemetry log record. The trace it
// belongs to is not part of the record; a provider takes it from the context
// given to Emit.
func (e *Event) Record() log.Record {
	var r log.Record
	r.SetEventName(EventName)
	r.SetTimestamp(e.Time)
	r.SetObservedTimestamp(e.Observed)
	r.SetSeverity(e.Severity())
	r.SetSeverityText(e.SeverityText())
	r.SetBody(attribute.StringValue(e.Sentence()))
	attrs := make([]attribute.KeyValue, 0, 24)
	e.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs = append(attrs, kv)
		return true
	})
	r.AddAttributes(attrs...)
	return r
}
