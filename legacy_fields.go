package adminsessions

import "strings"

// Field is one attribute of the vocabulary: a number for its key, so that an
// encoder can keep what it makes of the key in a table.
type LegacyField int

// The fields of an event, in the order of [Event.WalkFields].
const (
	FieldUserID LegacyField = iota
	FieldUserFullName
	FieldUserEmail
	FieldTargetUserID
	FieldTargetUserFullName
	FieldTargetUserEmail
	FieldSignInName
	FieldSignInOutcome
	FieldClientAddress
	FieldInterface
	FieldMethod
	FieldMethodOriginal
	FieldURL
	FieldRoute
	FieldStatusCode
	FieldDuration
	FieldUserAgent
	FieldSessionID
	FieldErrorType
	FieldRequestStage
	FieldRequestID
	FieldNote

	// NumFields is how many there are.
	NumFields = iota
)

var fieldKeys = [NumFields]string{
	FieldUserID:             KeyUserID,
	FieldUserFullName:       KeyUserFullName,
	FieldUserEmail:          KeyUserEmail,
	FieldTargetUserID:       KeyTargetUserID,
	FieldTargetUserFullName: KeyTargetUserFullName,
	FieldTargetUserEmail:    KeyTargetUserEmail,
	FieldSignInName:         KeySignInName,
	FieldSignInOutcome:      KeySignInOutcome,
	FieldClientAddress:      KeyClientAddress,
	FieldInterface:          KeyInterface,
	FieldMethod:             KeyMethod,
	FieldMethodOriginal:     KeyMethodOriginal,
	FieldURL:                KeyURL,
	FieldRoute:              KeyRoute,
	FieldStatusCode:         KeyStatusCode,
	FieldDuration:           KeyDuration,
	FieldUserAgent:          KeyUserAgent,
	FieldSessionID:          KeySessionID,
	FieldErrorType:          KeyErrorType,
	FieldRequestStage:       KeyRequestStage,
	FieldRequestID:          KeyRequestID,
	FieldNote:               KeyNote,
}

var fieldNames = func() (names [NumFields]string) {
	for f, key := range fieldKeys {
		names[f] = LokiName(key)
	}
	return names
}()

// Key is the field's attribute key.
func (f LegacyField) Key() string { return fieldKeys[f] }

// LokiName is the field's name in Loki.
func (f LegacyField) LokiName() string { return fieldNames[f] }

// IsEventKey reports whether key is part of the event's own vocabulary, and so
// not free for an application's attribute.
func IsEventKey(key string) bool {
	for _, k := range fieldKeys {
		if k == key {
			return true
		}
	}
	return strings.HasPrefix(key, "audit.")
}
