package adminsessions

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// SeverityText is going.
func (e *Event) SeverityText() string { return e.Severity().String() }

// WalkAttributes calls f for each attribute the event has, in a fixed order,
// until f returns false. It allocates nothing but the text of an address and of
// a list of truncated names.
func (e *Event) WalkAttributes(f func(attribute.KeyValue) bool) {
	_ = e.WalkFields(func(field LegacyField, v attribute.Value) bool {
		return f(attribute.KeyValue{Key: attribute.Key(field.Key()), Value: v})
	}) && e.walkOwn(f)
}

// WalkFields is WalkAttributes for the vocabulary's own attributes, without
// those the application has added. It reports whether f returned true to the end.
func (e *Event) WalkFields(f func(LegacyField, attribute.Value) bool) bool {
	str := func(field LegacyField, value string) bool {
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
		str(FieldInterface, strings.ToLower(string(e.Type))) &&
		str(FieldMethod, e.Method) &&
		str(FieldMethodOriginal, e.SentMethod) &&
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
	return len(e.Cut) == 0 || f(attribute.String(KeyTruncated, strings.Join(e.Cut, ",")))
}
