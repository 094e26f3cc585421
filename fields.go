package adminsessions

import (
	"iter"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Field is one thing that an event can say. The table of all of them is the
// only list of fields there is: writing and reading lines and records, columns,
// exports, dashboards and docs/events.md are made from it. A new field is a new
// row, and its test.
type Field struct {
	Key   string // attribute of the OpenTelemetry record; "" if it is not one
	Name  string // key in the line; "" if it is not in the line
	Part  Part   // where in the line
	Word  bool   // written bare and always, "-" where it is not known; else in quotes, and only if known
	Limit int    // bytes of UTF-8; what is longer is cut
	About string // one line for the documentation

	text   func(*Event) *string // a field that is a string has only this
	append func([]byte, *Event) []byte
	parse  func(*Event, string) error
	value  func(*Event) attribute.Value
	// attr is parse for the attribute's value, where that is written otherwise.
	attr func(*Event, string) error
}

// Part is a part of a line. Parts are separated by one TAB.
type Part int

// The parts of a line.
const (
	People   Part = iota // what people read, and what a search box searches
	Machines             // what programs join, count and compare
)

// Limits of values, in bytes of UTF-8.
const (
	limitName   = 256
	limitURL    = 2048
	limitAgent  = 512
	limitNote   = 1024
	limitShort  = 128
	limitSigned = 8192 // a signed note

	// MaxAttributes is how many attributes of its own an application may add
	// to an event, MaxKeyBytes how long a key may be, and MaxAttributeBytes
	// how long a value.
	MaxAttributes     = 32
	MaxKeyBytes       = 64
	MaxAttributeBytes = 1024

	// MaxChanges is how many changes an event may have, MaxChangeBytes how long
	// an old or new value may be.
	MaxChanges     = 64
	MaxChangeBytes = 256
)

// fields is the table, in the order of the line. The words of a part come
// first: queries read them by their position.
var fields = []Field{
	{
		Key: "admin.interface", Name: "type", Word: true, Limit: 16,
		About: "`WEB` for pages, `API` for programs; `CLI` `JOB` `MCP` for acts without a request; `TRAIL` for what happens to the trail itself (the attribute is in small letters)",
		text:  func(e *Event) *string { return (*string)(&e.Type) },
		value: func(e *Event) attribute.Value { return attribute.StringValue(strings.ToLower(string(e.Type))) },
		parse: func(e *Event, s string) error { e.Type = Type(strings.ToUpper(s)); return nil },
		attr:  parseForeignType,
	},
	{
		Key: "http.request.method", Name: "method", Word: true, Limit: 32,
		About: "`GET` `HEAD` `POST` `PUT` `PATCH` `DELETE` `CONNECT` `OPTIONS` `TRACE` `QUERY`, or `_OTHER`",
		text:  func(e *Event) *string { return &e.Method },
	},
	{
		Key: "http.response.status_code", Name: "status", Word: true, Limit: 16,
		About:  "of the answer; `started` in the line of a request that goes on",
		append: appendStatus, parse: parseStatus, value: statusValue,
	},
	{
		Key: "user.email", Name: "email", Word: true, Limit: limitName,
		About: "of the administrator who is signed in",
		text:  func(e *Event) *string { return &e.User.Email },
	},
	{
		Key: "client.address", Name: "ip", Word: true, Limit: limitShort,
		About:  "an IP address in its canonical form; a network's first address where addresses are truncated",
		append: appendAddress, parse: parseAddress,
		value: func(e *Event) attribute.Value {
			if !e.ClientAddress.IsValid() {
				return attribute.Value{}
			}
			return attribute.StringValue(e.ClientAddress.String())
		},
	},
	{
		Key: "user.id", Name: "id", Word: true, Limit: limitName,
		About: "the panel's identifier of the administrator",
		text:  func(e *Event) *string { return &e.User.ID },
	},
	{
		Key: "admin.action", Name: "action", Word: true, Limit: limitShort,
		About: "what is done, a noun and a verb: `clients.delete`; see [acts](acts.md)",
		text:  func(e *Event) *string { return &e.Action },
	},
	{
		Key: "admin.outcome", Name: "outcome", Word: true, Limit: 16,
		About:  "`success`, `denied` (not allowed), `failure` (not possible as asked) or `error` (the panel failed); not known while the request goes on",
		append: appendOutcome,
		parse:  func(e *Event, s string) error { e.Outcome = Outcome(s); return nil },
		value:  func(e *Event) attribute.Value { return attribute.StringValue(string(appendOutcome(nil, e))) },
	},
	{
		Key: "url.full", Name: "url", Limit: limitURL,
		About: "as the client saw it, with secrets replaced by `REDACTED`",
		text:  func(e *Event) *string { return &e.URL },
	},
	{
		Key: "user.full_name", Name: "name", Limit: limitName,
		About: "of the administrator",
		text:  func(e *Event) *string { return &e.User.FullName },
	},
	{
		Key: "admin.resource.type", Name: "object", Limit: limitShort,
		About: "what kind of thing the act is done to: `clients`",
		text:  func(e *Event) *string { return &e.Resource.Type },
	},
	{
		Key: "admin.resource.id", Name: "object_id", Limit: limitName,
		About: "which one: `7731`",
		text:  func(e *Event) *string { return &e.Resource.ID },
	},
	{
		Key: "admin.resource.name", Name: "object_name", Limit: limitName,
		About: "its name: `Acme`",
		text:  func(e *Event) *string { return &e.Resource.Name },
	},
	{
		Key: "admin.target.user.full_name", Name: "as_name", Limit: limitName,
		About: "the account as which the administrator acts, if it is not his own",
		text:  func(e *Event) *string { return &e.Target.FullName },
	},
	{
		Key: "admin.target.user.email", Name: "as_email", Limit: limitName,
		About: "its e-mail address",
		text:  func(e *Event) *string { return &e.Target.Email },
	},
	{
		Key: "admin.target.user.id", Name: "as_id", Limit: limitName,
		About: "its identifier",
		text:  func(e *Event) *string { return &e.Target.ID },
	},
	{
		Key: "admin.actor.type", Name: "actor", Limit: 16,
		About: "`user`, `service` (another program), `agent` (one that decides by itself for a user) or `system`; a user if it is not said",
		text:  func(e *Event) *string { return (*string)(&e.Actor.Type) },
	},
	{
		Key: "admin.credential.id", Name: "credential", Limit: limitShort,
		About: "which token, key or certificate; its id, never the secret",
		text:  func(e *Event) *string { return &e.Actor.CredentialID },
	},
	{
		Key: "admin.tenant.id", Name: "tenant", Limit: limitShort,
		About: "the tenant whose panel it is",
		text:  func(e *Event) *string { return &e.Actor.TenantID },
	},
	{
		Key: "admin.sign_in.outcome", Name: "signin", Limit: 32,
		About: "`success` or `failure`, of an attempt to sign in",
		text:  func(e *Event) *string { return (*string)(&e.SignIn.Outcome) },
	},
	{
		Key: "admin.sign_in.name", Name: "tried", Limit: limitName,
		About: "the name tried at a sign-in, or a pseudonym of it; never the password",
		text:  func(e *Event) *string { return &e.SignIn.Name },
	},
	{
		Key: "admin.reason", Name: "reason", Limit: limitNote,
		About: "why it was done, in the words of who did it",
		text:  func(e *Event) *string { return &e.Reason },
	},
	{
		Key: "admin.note", Name: "note", Limit: limitNote,
		About: "what the application says was done; several notes are separated by line feeds",
		text:  func(e *Event) *string { return &e.Note },
	},

	{
		Key: "session.id", Name: "session", Part: Machines, Word: true, Limit: limitName,
		About: "the first 128 bits of a keyed hash (HMAC-SHA256) of the session, in hexadecimal",
		text:  func(e *Event) *string { return &e.SessionID },
	},
	{
		Key: "admin.request.id", Name: "request", Part: Machines, Word: true, Limit: limitName,
		About: "the id in the response's `X-Request-Id`",
		text:  func(e *Event) *string { return &e.RequestID },
	},
	{
		Key: "http.server.request.duration", Name: "ms", Part: Machines, Word: true, Limit: 32,
		About:  "milliseconds from arrival to end, at most three decimals (the attribute is in seconds); not known while the request goes on",
		append: appendDuration, parse: parseDuration, value: durationValue, attr: parseSeconds,
	},
	{
		Key: "http.route", Name: "route", Part: Machines, Limit: limitName,
		About: "the pattern of the router: `/admin/api/client/{id}`",
		text:  func(e *Event) *string { return &e.Route },
	},
	{
		Key: "admin.cause.request.id", Name: "cause", Part: Machines, Limit: limitName,
		About: "the id of the request that an act without one goes back to",
		text:  func(e *Event) *string { return &e.Cause },
	},
	{
		Key: "geo.country.iso_code", Name: "country", Part: Machines, Limit: 16,
		About: "where the client's address is, if the application looks that up: `PL`",
		text:  func(e *Event) *string { return &e.Geo.Country },
	},
	{
		Key: "geo.locality.name", Name: "city", Part: Machines, Limit: limitShort,
		About: "`Warsaw`",
		text:  func(e *Event) *string { return &e.Geo.Locality },
	},
	{
		Key: "admin.client.network", Name: "network", Part: Machines, Limit: limitShort,
		About: "whose network it is: `AS5617 Orange`",
		text:  func(e *Event) *string { return &e.Geo.Network },
	},
	{
		Key: "http.request.method_original", Name: "sent_method", Part: Machines, Limit: 32,
		About: "the method as sent, where it is `_OTHER`",
		text:  func(e *Event) *string { return &e.SentMethod },
	},
	{
		Name: "trace", Part: Machines, Limit: 32,
		About:  "trace id of the request's span (in a record the record's own)",
		append: appendTrace, parse: parseTrace,
	},
	{
		Name: "span", Part: Machines, Limit: 16,
		About:  "its span id",
		append: appendSpan, parse: parseSpan,
	},
	{
		Name: "code", Part: Machines, Limit: 16,
		About:  "the status code that a request which goes on was answered with so far",
		append: appendCode, parse: parseCode,
	},
	{
		Key: "admin.request.count", Name: "count", Part: Machines, Limit: 20,
		About:  "how many requests the record stands for, where a flood was folded into one",
		append: appendCount, parse: parseCount, value: countValue,
	},
	{
		Key: "admin.request.since", Name: "since", Part: Machines, Limit: 40,
		About:  "when the first of them arrived; the record's time is that of the last",
		append: appendSince, parse: parseSince, value: sinceValue,
	},
	{
		Key: "user_agent.original", Name: "ua", Part: Machines, Limit: limitAgent,
		About: "the client's `User-Agent`",
		text:  func(e *Event) *string { return &e.UserAgent },
	},
	{
		Key: "error.type", Name: "error", Part: Machines, Limit: limitShort,
		About: "see below",
		text:  func(e *Event) *string { return &e.ErrorType },
	},
	{
		Key: "audit.checkpoint", Name: "checkpoint", Part: Machines, Limit: limitSigned,
		About: "what the log says of itself up to here, signed; see package proof",
		text:  func(e *Event) *string { return &e.Checkpoint },
		attr:  func(*Event, string) error { return errForeign },
	},
	{
		Key: "admin.request.stage", Part: Machines, Limit: 32,
		About: "`complete`, or `started` for a request that goes on",
		value: func(e *Event) attribute.Value { return attribute.StringValue(string(e.stage())) },
		parse: func(e *Event, s string) error { e.Stage = Stage(s); return nil },
	},
	{
		Key: "audit.truncated", Name: cutName, Part: Machines, Limit: limitNote,
		About:  "the fields that were cut to their limits, separated by commas",
		append: func(b []byte, e *Event) []byte { return appendJoined(b, e.Cut) },
		parse:  func(e *Event, s string) error { e.Cut = strings.Split(s, ","); return nil },
		value: func(e *Event) attribute.Value {
			if len(e.Cut) == 0 {
				return attribute.Value{}
			}
			return attribute.StringValue(strings.Join(e.Cut, ","))
		},
	},
}

// cutName is the field that stands last, behind the application's attributes,
// because those can be cut, too.
const cutName = "cut"

// Fields is the table of fields, in the order of the line.
func Fields() iter.Seq[Field] { return slices.Values(fields) }

// FieldByKey returns the field of an attribute's key.
func FieldByKey(key string) (Field, bool) {
	f, ok := byKey[key]
	if !ok {
		return Field{}, false
	}
	return *f, true
}

var byKey, byName = func() (keys, names map[string]*Field) {
	keys, names = map[string]*Field{}, map[string]*Field{}
	for i := range fields {
		f := &fields[i]
		if f.Key != "" {
			keys[f.Key] = f
		}
		if f.Name != "" {
			names[f.Name] = f
		}
	}
	return keys, names
}()

// Bare reports whether the value is written without quotes: it is a word, or
// made of digits and the like.
func (f *Field) Bare() bool { return f.Word || f.append != nil && f.Name != cutName }

// Get returns the field's value as text, as it stands in the line but neither
// quoted nor escaped, and "" if it is not known.
func (f *Field) Get(e *Event) string {
	switch {
	case f.text != nil:
		return *f.text(e)
	case f.append != nil:
		return string(f.append(nil, e))
	default:
		return f.value(e).String()
	}
}

// set is the way back from Get, and from the attribute's value as text.
func (f *Field) set(e *Event, s string) error {
	if f.parse != nil {
		return f.parse(e, s)
	}
	*f.text(e) = s
	return nil
}

// attribute returns the field as an attribute; ok is false if it is not known or
// none.
func (f *Field) attribute(e *Event) (kv attribute.KeyValue, ok bool) {
	if f.Key == "" {
		return kv, false
	}
	kv.Key = attribute.Key(f.Key)
	if f.value != nil {
		kv.Value = f.value(e)
		return kv, kv.Value.Type() != attribute.EMPTY && kv.Value.String() != ""
	}
	s := *f.text(e)
	kv.Value = attribute.StringValue(s)
	return kv, s != ""
}
