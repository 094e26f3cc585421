package instrumentation

import "time"

// Limits, in bytes of UTF-8, of what comes from outside. A longer value is cut
// between two characters and its attribute is named in Event.Truncated.
const (
	MaxURLBytes       = 2048
	MaxUserAgentBytes = 512
	MaxNameBytes      = 256 // a user's id, full name, e-mail address; a name tried at sign-in
	MaxRouteBytes     = 256
	MaxMethodBytes    = 32
	MaxErrorTypeBytes = 128
	MaxRequestIDBytes = 128 // a longer one is not cut but replaced by one of ours
	MaxNoteBytes      = 1024
	MaxAttributeBytes = 1024 // a value given to Annotate
	MaxKeyBytes       = 64   // a key given to Annotate; a longer one is refused
	MaxHeaderBytes    = 512
	MaxFormFieldBytes = 256
	// MaxAttributes is the number of an application's attributes in one record,
	// recorded headers and form fields among them. Loki takes 64 KiB of metadata
	// in an entry.
	MaxAttributes = 32
	// MaxFormBytes is how much of a request's body is kept to find the form
	// fields asked for with WithFormFields.
	MaxFormBytes = 64 << 10
)

// Defaults of the options.
const (
	// DefaultStartedAfter is the time after which a request that still runs is
	// recorded as started.
	DefaultStartedAfter = 10 * time.Second
	// DefaultStrictTimeout is how long a strict request waits for its record.
	DefaultStrictTimeout = 2 * time.Second
	// DefaultAnonymousLimit is how many requests of one address that nobody is
	// signed in to are recorded one by one in ten seconds.
	DefaultAnonymousLimit = 30
	// DefaultRequestIDHeader is the header that carries the request id.
	DefaultRequestIDHeader = "X-Request-Id"
)

// maxAnonymousLimit is as good as no limit.
const maxAnonymousLimit = 1_000_000

// retryAfter is what a request refused in strict mode is told to wait.
const retryAfter = "5"

// Redacted stands in a record where a value was left out because it looks like
// a secret.
const Redacted = "REDACTED"
