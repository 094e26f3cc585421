package instrumentation

import (
	"fmt"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/redact"
)

// Defaults of the options.
const (
	defaultAnonymousLimit  = 30
	defaultStartedAfter    = 10 * time.Second
	defaultStrictTimeout   = 2 * time.Second
	defaultRequestIDHeader = "X-Request-Id"
)

// maxAnonymousLimit is as good as no limit.
const maxAnonymousLimit = 1_000_000

// retryAfter is what a request refused in strict mode is told to wait.
const retryAfter = "5"

// redacted stands in a record where a value was left out because it looks like
// a secret.
const redacted = redact.Placeholder

// Limits, in bytes of UTF-8, of what is no field of the event.
const (
	maxRequestIDBytes = 128 // a longer one is not cut but replaced by one of ours
	maxHeaderBytes    = 512
	maxFormFieldBytes = 256
	// maxFormBytes is how much of a request's body is kept to find the form
	// fields asked for with WithFormFields.
	maxFormBytes = 64 << 10
)

// field is what the table of fields says of one: its name in a line, and its
// limit. A longer value is cut between two characters, and the field is named
// in Event.Cut.
type field struct {
	name  string
	limit int
}

var (
	fieldUserID       = fieldOf("user.id")
	fieldUserFullName = fieldOf("user.full_name")
	fieldUserEmail    = fieldOf("user.email")

	fieldTargetID       = fieldOf("admin.target.user.id")
	fieldTargetFullName = fieldOf("admin.target.user.full_name")
	fieldTargetEmail    = fieldOf("admin.target.user.email")

	fieldSignInName    = fieldOf("admin.sign_in.name")
	fieldSignInOutcome = fieldOf("admin.sign_in.outcome")

	fieldAction       = fieldOf("admin.action")
	fieldResourceType = fieldOf("admin.resource.type")
	fieldResourceID   = fieldOf("admin.resource.id")
	fieldResourceName = fieldOf("admin.resource.name")
	fieldOutcome      = fieldOf("admin.outcome")
	fieldReason       = fieldOf("admin.reason")
	fieldCause        = fieldOf("admin.cause.request.id")

	fieldActorType    = fieldOf("admin.actor.type")
	fieldCredentialID = fieldOf("admin.credential.id")
	fieldTenantID     = fieldOf("admin.tenant.id")

	fieldCountry  = fieldOf("geo.country.iso_code")
	fieldLocality = fieldOf("geo.locality.name")
	fieldNetwork  = fieldOf("admin.client.network")

	fieldURL        = fieldOf("url.full")
	fieldRoute      = fieldOf("http.route")
	fieldSentMethod = fieldOf("http.request.method_original")
	fieldUserAgent  = fieldOf("user_agent.original")
	fieldErrorType  = fieldOf("error.type")
	fieldNote       = fieldOf("admin.note")
)

func fieldOf(key string) field {
	f, ok := adminsessions.FieldByKey(key)
	if !ok {
		panic(fmt.Sprintf("instrumentation: the table of fields has no %s", key))
	}
	return field{name: f.Name, limit: f.Limit}
}

// attributeField is what takes an attribute of the application's.
func attributeField(key string, limit int) field {
	return field{name: attributePrefix + key, limit: limit}
}

// attributePrefix stands before the keys of an application's attributes in a
// line.
const attributePrefix = "attr."
