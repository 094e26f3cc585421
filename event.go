package adminsessions

import (
	"net/netip"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
)

// Type says by what an administrator reached the panel. It is the column Type
// of every view.
type Type string

// The types of events: requests, acts without a request, and what happens to
// the trail itself, which is no act of an administrator and is counted with none.
const (
	Web   Type = "WEB"   // a request for a page
	API   Type = "API"   // a request of a program
	CLI   Type = "CLI"   // a command
	Job   Type = "JOB"   // scheduled or queued work
	MCP   Type = "MCP"   // a tool that a language model has called
	Trail Type = "TRAIL" // the trail's own: started, a checkpoint, events dropped
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

// ActorType is what kind of actor acts.
type ActorType string

// The kinds of actors. None said means a user, where there is one.
const (
	ActorUser    ActorType = "user"
	ActorService ActorType = "service" // another program, with an account of its own
	ActorAgent   ActorType = "agent"   // a program that decides by itself what to do for a user
	ActorSystem  ActorType = "system"  // the panel itself
)

// Actor is what is known of who acts beside the account: what kind of actor,
// with which credential, for which tenant. The zero Actor says nothing.
type Actor struct {
	Type         ActorType
	CredentialID string // which token, key or certificate: its id, never the secret
	TenantID     string // the tenant whose panel it is
}

// Geo is where a client's address is. The zero Geo is not known.
type Geo struct {
	Country  string // ISO 3166-1 alpha-2: "PL"
	Locality string // "Warsaw"
	Network  string // whose network it is: "AS5617 Orange"
}

// SignIn is an attempt to sign in. The zero SignIn is none.
type SignIn struct {
	Name    string // the name tried, never the password
	Outcome SignInOutcome
}

// Outcome says whether what was asked for was done.
type Outcome string

// The outcomes of an act.
const (
	OutcomeSuccess Outcome = "success" // done
	OutcomeDenied  Outcome = "denied"  // not allowed
	OutcomeFailure Outcome = "failure" // not possible as asked
	OutcomeError   Outcome = "error"   // the panel failed
)

// Change is a value before and after an act. Old is empty where there was none,
// New where there is none any more.
type Change struct{ Field, Old, New string }

// Resource is what an act is done to: client 7731, Acme. The zero Resource is
// none.
type Resource struct{ Type, ID, Name string }

// Event is one request of an administrator, or one act without a request. The
// zero value of a field means that it is not known.
//
// Package instrumentation makes strings clean (no control characters, nothing
// invisible) and short. Whatever they hold, [Event.AppendLine] writes a line
// that can be taken apart again, no longer than [MaxLineBytes].
type Event struct {
	// Time is when the request arrived.
	Time time.Time

	Stage     Stage // empty means Complete
	RequestID string
	Type      Type

	// User is who acts. Target is on whose behalf, if the administrator has
	// put on somebody else's identity.
	User, Target User
	Actor        Actor
	SignIn       SignIn

	// Action is what is done, a noun and a verb: "clients.delete". Resource is
	// what to. Outcome, if empty, follows from how the request ended.
	Action   string
	Resource Resource
	Outcome  Outcome

	// Changes are what the act has changed. Reason is why, in the words of who
	// did it.
	Changes []Change
	Reason  string
	// Cause is the id of the request that an act without one goes back to.
	Cause string

	ClientAddress netip.Addr
	Geo           Geo
	Method        string // a method of RFC 9110 or RFC 5789, or "_OTHER"
	SentMethod    string // the method as sent, where Method is not that
	URL           string
	Route         string
	StatusCode    int
	Duration      time.Duration // from arrival to end, in whole microseconds
	UserAgent     string
	SessionID     string // a keyed hash, never the session's secret
	ErrorType     string

	// Note is what the request did in a person's words: "client 7731 deleted".
	// Several notes are separated by line feeds.
	Note string

	// TraceID and SpanID are those of the request's span, if it is traced.
	TraceID trace.TraceID
	SpanID  trace.SpanID

	// Count is how many requests the event stands for, where a flood of
	// requests that nobody is signed in to was folded into one record; else 0.
	// Since is when the first of them arrived.
	Count int
	Since time.Time

	// Checkpoint is the signed note that an event of type [Trail] with the action
	// trail.checkpoint carries; see package proof.
	Checkpoint string

	// Attributes are the application's own.
	Attributes []attribute.KeyValue
	// Cut names the fields, as in the line, that were cut to their limits.
	Cut []string

	// Sequence is the event's number in its log, contiguous from 1. The exporter
	// gives it; it is 0 before.
	Sequence uint64
}

// Anonymous reports whether nobody is known to be behind the event: it is a
// request, nobody is signed in, nobody has signed in with it, and the application
// has not said what kind of actor it is.
func (e *Event) Anonymous() bool {
	if e.Type == CLI || e.Type == Job || e.Type == MCP || e.Type == Trail {
		return false
	}
	return e.User.IsZero() && e.SignIn.Outcome != SignInSuccess && e.Actor.Type == ""
}

// DefaultOutcome is the outcome that follows from how the request ended; empty
// while it goes on, or where nothing is known.
func (e *Event) DefaultOutcome() Outcome {
	switch code := e.StatusCode; {
	case e.Stage == Started || code == 0:
		return ""
	case code >= 500 || code == 499:
		return OutcomeError
	case e.SignIn.Outcome == SignInFailure:
		return OutcomeFailure
	case code == 401 || code == 403:
		return OutcomeDenied
	case code >= 400:
		return OutcomeFailure
	}
	return OutcomeSuccess
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
