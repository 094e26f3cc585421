package instrumentation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/panics"
)

// Recorder records acts that are no requests: jobs, commands, messages taken
// from a queue, tools that a language model calls.
type Recorder struct{ m *middleware }

// NewRecorder returns a Recorder. Give it the options of the middleware: the
// same provider, redaction and metrics. Those about requests mean nothing to it.
func NewRecorder(opts ...Option) (*Recorder, error) {
	m, err := newMiddleware(opts)
	if err != nil {
		return nil, err
	}
	return &Recorder{m}, nil
}

// Act is what is about to be done without a request.
type Act struct {
	// Type is [adminsessions.CLI], [adminsessions.Job] or [adminsessions.MCP].
	// Anything else counts as Job.
	Type adminsessions.Type

	// Action is what is done, a noun and a verb: "invoices.remind". Resource is
	// what to.
	Action   string
	Resource adminsessions.Resource

	// User is whose act it is, Actor what acts. Without a User, both are those of
	// the request, or the act, whose context is given to Do, but for what Actor says.
	// If there is none either, the actor is the system; of MCP it always is an agent,
	// unless Actor says otherwise.
	User  adminsessions.User
	Actor adminsessions.Actor

	// Reason is why, in the words of who wants it done.
	Reason string

	// Cause is the id of the request that the act goes back to, as [RequestID]
	// gave it to that request's handler. It is needed only if the act is done in
	// another process, or with a context that was not made from the request's.
	Cause string

	// Strict makes Do put the act on record, synced to disk, before it is done,
	// and not do it if that fails. See [WithStrict].
	Strict bool
}

// Do does f and records that as an event of its own. In f, [SetResource],
// [Changed], [Annotate] and their like say more of it, with the context that f is
// given.
//
// An act is recorded when it has ended, and also as started if it takes longer
// than [WithStartedAfter] says. Its outcome is what [SetOutcome] says; if it says
// nothing, success if f returns nil, denied if f returns an error that is
// [os.ErrPermission], failure if it returns another one, and error if it panics.
// Of an error the type is recorded, not what it says.
//
// Do returns f's error. A panic in f is recorded and goes on.
func (r *Recorder) Do(ctx context.Context, a Act, f func(context.Context) error) (err error) {
	m := r.m
	if !m.destination.enabled(ctx) {
		if a.Strict {
			return fmt.Errorf("instrumentation: %s not done: no LoggerProvider takes records", cmp.Or(a.Action, "act"))
		}
		m.disabled()
		return f(ctx)
	}
	s := &scope{m: m, ctx: ctx, rec: m.records.Get().(*record)}
	s.beginAct(a)
	returned := false
	defer func() {
		var panicked any
		if !returned {
			panicked = recover()
		}
		s.finishAct(returned, panicked, err)
		if panicked != nil {
			panic(panicked)
		}
	}()
	if a.Strict {
		if err = s.admitAct(); err != nil {
			returned = true
			return fmt.Errorf("instrumentation: %s not done, because it must be on record first: %w", cmp.Or(a.Action, "act"), err)
		}
	}
	m.watch.add(s, s.rec.event.Time)
	err = f(context.WithValue(ctx, scopeKey{}, s))
	returned = true
	return err
}

// beginAct fills in what is known of an act before it is done.
func (s *scope) beginAct(a Act) {
	m, rec := s.m, s.rec
	e := &rec.event
	e.Time = m.now().UTC()
	rec.buf = appendRequestID(rec.buf[:0])
	s.id = string(rec.buf)
	e.RequestID = s.id
	if sc := trace.SpanContextFromContext(s.ctx); sc.IsValid() {
		s.traced, rec.span = true, sc
	}
	switch a.Type {
	case adminsessions.CLI, adminsessions.MCP:
		e.Type = a.Type
	default:
		e.Type = adminsessions.Job
	}
	e.Cause = m.bounded(e, fieldCause, m.redaction.Text(a.Cause))
	m.setAdmin(e, a.User)
	m.setActor(e, a.Actor)
	if outer := FromContext(s.ctx).s; outer != nil {
		id, who := outer.origin()
		e.Cause = cmp.Or(e.Cause, id)
		if a.User.IsZero() {
			e.User, e.Target, e.SessionID = who.user, who.target, who.session
			e.Actor.Type = cmp.Or(e.Actor.Type, who.actor.Type)
			e.Actor.CredentialID = cmp.Or(e.Actor.CredentialID, who.actor.CredentialID)
			e.Actor.TenantID = cmp.Or(e.Actor.TenantID, who.actor.TenantID)
		}
	}
	switch {
	case a.Actor.Type != "":
	case e.Type == adminsessions.MCP:
		e.Actor.Type = adminsessions.ActorAgent
	case e.Actor.Type != "":
	case e.User.IsZero():
		e.Actor.Type = adminsessions.ActorSystem
	}
	e.Action = m.bounded(e, fieldAction, a.Action)
	m.setResource(e, a.Resource)
	m.setReason(e, a.Reason)
}

// admitAct puts an act on record before it is done.
func (s *scope) admitAct() error {
	m := s.m
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.detached(s.rec), m.strictTimeout)
	defer cancel()
	err := errNoSink
	if m.destination.currentSink() != nil {
		err = s.sendStarted(ctx, adminsessions.Synced)
	}
	if err != nil {
		m.metrics.Refused.Add(1)
		s.rec.event.ErrorType, s.rec.event.Outcome = errorTypeUnrecorded, adminsessions.OutcomeError
	}
	return err
}

var errNoSink = errors.New("the provider can't say whether a record is safe, as package exporter's can")

// finishAct makes the record of an act that has ended.
func (s *scope) finishAct(returned bool, panicked any, err error) {
	s.m.watch.remove(s)
	end := s.m.now()
	outcome, errorType := concludeAct(returned, panicked, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.rec.event
	if e.Outcome == "" {
		e.Outcome = outcome
	}
	if e.ErrorType == errorTypeUnrecorded {
		errorType = ""
	}
	s.m.metrics.Acts[string(e.Type)].Add(1)
	s.end(end, returned, errorType)
}

// concludeAct finds out how an act has ended. The methods of a foreign error may
// panic.
func concludeAct(returned bool, panicked any, err error) (o adminsessions.Outcome, errorType string) {
	switch {
	case panicked != nil:
		return adminsessions.OutcomeError, panics.Type(panicked)
	case !returned:
		return adminsessions.OutcomeError, errorTypeExit
	case err == nil:
		return adminsessions.OutcomeSuccess, ""
	}
	defer func() {
		if v := recover(); v != nil {
			o, errorType = adminsessions.OutcomeFailure, panics.Type(v)
		}
	}()
	o = adminsessions.OutcomeFailure
	if errors.Is(err, os.ErrPermission) {
		o = adminsessions.OutcomeDenied
	}
	return o, typeOfError(err)
}

// typeOfError is the type of what an error goes back to, in so far as that tells
// anything.
func typeOfError(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return errorTypeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return errorTypeTimeout
	}
	found := "error"
	for ; err != nil; err = errors.Unwrap(err) {
		switch t := fmt.Sprintf("%T", err); t {
		case "*errors.errorString", "*errors.joinError", "*fmt.wrapError", "*fmt.wrapErrors":
		default:
			found = t
		}
	}
	return found
}
