package instrumentation

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
	"github.com/adminsessions/adminsessions/internal/text"
)

// Recording is the record of a request that is being handled, or of an act that
// is being done ([Recorder.Do]). It is how code further in says what can't be seen
// from outside. It may be kept, passed on,
// and used from many goroutines at once.
//
// Its methods report whether there was a record to write to. There is none in
// the zero Recording, behind a filter, and after the request has ended. What
// comes late is counted
// (adminsessions_instrumentation_details_refused_total{reason="late"}).
type Recording struct{ s *scope }

// FromContext returns the recording of the request, or the act, to which ctx
// belongs: its context, or any made from it.
func FromContext(ctx context.Context) Recording {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return Recording{s}
}

// FromResponseWriter returns the recording of the request that w answers. It
// is the way for code that has got a request whose context somebody replaced
// by one of his own. It looks through every writer with an Unwrap method down
// to the middleware's.
//
// Where the middleware itself stands on a writer that is neither net/http's
// nor otelhttp's on it (inside http.TimeoutHandler, or a middleware that
// compresses), the zero Recording is returned: take [FromContext] before the
// context is replaced and put it into the new one with [Recording.Attach].
func FromResponseWriter(w http.ResponseWriter) Recording {
	return Recording{unwrap(w)}
}

// Attach returns a context made from ctx that belongs to the recording, for
// code that gives a request a context not made from the one it had.
func (r Recording) Attach(ctx context.Context) context.Context {
	if r.s == nil {
		return ctx
	}
	return context.WithValue(ctx, scopeKey{}, r.s)
}

// SetAdmin says who the request comes from. The zero User is nobody. The last
// call counts.
func (r Recording) SetAdmin(u adminsessions.User) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) { m.setAdmin(e, u) })
}

func (m *middleware) setAdmin(e *adminsessions.Event, u adminsessions.User) {
	e.User.ID = m.bounded(e, fieldUserID, u.ID)
	e.User.FullName = m.bounded(e, fieldUserFullName, u.FullName)
	e.User.Email = m.bounded(e, fieldUserEmail, u.Email)
}

// SetTarget says as whom the administrator acts, where he has put on somebody
// else's identity. The administrator himself stays the record's admin.
func (r Recording) SetTarget(u adminsessions.User) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) {
		e.Target = adminsessions.User{
			ID:       m.bounded(e, fieldTargetID, u.ID),
			FullName: m.bounded(e, fieldTargetFullName, u.FullName),
			Email:    m.bounded(e, fieldTargetEmail, u.Email),
		}
	})
}

// SetActor says what kind of actor acts, with which credential, for which
// tenant. The account that it acts with is the record's admin. The last call
// counts.
func (r Recording) SetActor(a adminsessions.Actor) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) { m.setActor(e, a) })
}

func (m *middleware) setActor(e *adminsessions.Event, a adminsessions.Actor) {
	e.Actor = adminsessions.Actor{
		Type:         adminsessions.ActorType(m.bounded(e, fieldActorType, string(a.Type))),
		CredentialID: m.bounded(e, fieldCredentialID, m.redaction.Text(a.CredentialID)),
		TenantID:     m.bounded(e, fieldTenantID, m.redaction.Text(a.TenantID)),
	}
}

// SetReason says why it is done, in the words of who does it: a ticket, what a
// customer has asked for. It replaces what the request brought along; see
// [WithRequiredReason].
func (r Recording) SetReason(reason string) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) { m.setReason(e, reason) })
}

func (m *middleware) setReason(e *adminsessions.Event, reason string) {
	e.Reason = m.bounded(e, fieldReason, m.redaction.Text(reason))
}

// SignIn says that the request tried to sign in: under which name, and with
// what outcome. Never pass a password. People type theirs into the wrong field,
// so a name under which somebody failed is recorded as it is only if it is an
// e-mail address; see [WithSignInNames].
func (r Recording) SignIn(name string, outcome adminsessions.SignInOutcome) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) {
		e.SignIn.Name = m.bounded(e, fieldSignInName, m.signInName(name, outcome))
		e.SignIn.Outcome = adminsessions.SignInOutcome(m.bounded(e, fieldSignInOutcome, string(outcome)))
	})
}

// Annotate says what the request did, in a person's words ("client 7731
// deleted"), with attributes for programs. Notes of several calls stand in lines
// of their own; a note is one line, whatever it holds. An empty note only adds
// the attributes.
//
// An attribute replaces an earlier one of the same key. A key is made of
// letters, digits, dots, dashes and underscores, is at most
// [adminsessions.MaxKeyBytes] long and must not be one of the event's own: others
// are refused and counted. A value whose key looks like a secret's is recorded as
// REDACTED.
func (r Recording) Annotate(note string, attrs ...attribute.KeyValue) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) {
		if note != "" {
			m.addNote(e, note)
		}
		for _, kv := range attrs {
			m.annotate(e, kv)
		}
	})
}

// SetRoute gives the pattern of the route, for routers other than
// [http.ServeMux], and for a ServeMux that is given a copy of the request.
func (r Recording) SetRoute(pattern string) bool {
	return r.update(func(*middleware, *adminsessions.Event) { r.s.setRoute(r.s.rec, pattern) })
}

// SetErrorType gives the record an error.type: a short name of a class of
// errors, not a message. Code that recovers from panics can say so with it.
func (r Recording) SetErrorType(name string) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) {
		e.ErrorType = m.bounded(e, fieldErrorType, m.redaction.Text(name))
	})
}

// RequestID returns the request's id, or "" in a Recording of nothing.
func (r Recording) RequestID() string {
	if r.s == nil {
		return ""
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.id
}

func (r Recording) update(f func(*middleware, *adminsessions.Event)) bool {
	s := r.s
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == nil {
		s.m.metrics.Details[counters.DetailLate].Add(1)
		return false
	}
	f(s.m, &s.rec.event)
	return true
}

// noteSpan keeps the span of a setter's context, for a request that is traced
// by something further in.
func (r Recording) noteSpan(ctx context.Context) Recording {
	if r.s == nil || r.s.traced {
		return r
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.s.mu.Lock()
		if r.s.rec != nil {
			r.s.rec.span = sc
		}
		r.s.mu.Unlock()
	}
	return r
}

// SetAdmin is [Recording.SetAdmin] for the request to which ctx belongs.
func SetAdmin(ctx context.Context, u adminsessions.User) bool {
	return FromContext(ctx).noteSpan(ctx).SetAdmin(u)
}

// SetTarget is [Recording.SetTarget] for the request to which ctx belongs.
func SetTarget(ctx context.Context, u adminsessions.User) bool {
	return FromContext(ctx).noteSpan(ctx).SetTarget(u)
}

// SetActor is [Recording.SetActor] for the request to which ctx belongs.
func SetActor(ctx context.Context, a adminsessions.Actor) bool {
	return FromContext(ctx).noteSpan(ctx).SetActor(a)
}

// SetReason is [Recording.SetReason] for the request to which ctx belongs.
func SetReason(ctx context.Context, reason string) bool {
	return FromContext(ctx).noteSpan(ctx).SetReason(reason)
}

// SignIn is [Recording.SignIn] for the request to which ctx belongs.
func SignIn(ctx context.Context, name string, outcome adminsessions.SignInOutcome) bool {
	return FromContext(ctx).noteSpan(ctx).SignIn(name, outcome)
}

// Annotate is [Recording.Annotate] for the request to which ctx belongs.
func Annotate(ctx context.Context, note string, attrs ...attribute.KeyValue) bool {
	return FromContext(ctx).noteSpan(ctx).Annotate(note, attrs...)
}

// SetRoute is [Recording.SetRoute] for the request to which ctx belongs.
func SetRoute(ctx context.Context, pattern string) bool {
	return FromContext(ctx).noteSpan(ctx).SetRoute(pattern)
}

// RequestID is [Recording.RequestID] for the request to which ctx belongs.
func RequestID(ctx context.Context) string { return FromContext(ctx).RequestID() }

// CaptureRoute stands directly around a [http.ServeMux] that is reached
// through middlewares which copy the request (authentication that puts
// something into its context does): only the copy learns the pattern.
func CaptureRoute(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if r.Pattern != "" {
				SetRoute(r.Context(), r.Pattern)
			}
		}()
		mux.ServeHTTP(w, r)
	})
}

// addNote adds a note as a line of its own: cleaned, it holds no line feed.
func (m *middleware) addNote(e *adminsessions.Event, note string) {
	note = m.redaction.Text(note)
	if e.Note == "" {
		e.Note = m.bounded(e, fieldNote, note)
		return
	}
	room := fieldNote.limit - len(e.Note) - 1
	note, cut := text.Clean(note, room)
	if cut {
		markCut(e, fieldNote.name)
	}
	if note != "" {
		e.Note += "\n" + note
	}
}

// annotate adds one of the application's attributes.
func (m *middleware) annotate(e *adminsessions.Event, kv attribute.KeyValue) {
	key := string(kv.Key)
	if !isFreeKey(key) {
		m.metrics.Details[counters.DetailKey].Add(1)
		if l := m.omissions.take(); l != nil {
			key, _ = text.Clean(key, adminsessions.MaxKeyBytes)
			l.Warn("attribute left out of a record: its key is empty, too long, not made of letters, digits, dots, dashes and underscores, or the event's own", "key", key)
		}
		return
	}
	kv = m.attributeWithoutSecrets(kv)
	if kv.Value.Type() == attribute.STRING {
		kv = attribute.String(key, m.bounded(e, attributeField(key, adminsessions.MaxAttributeBytes), kv.Value.AsString()))
	}
	m.setAttribute(e, kv)
}

// isFreeKey reports whether an application may use the key.
func isFreeKey(key string) bool {
	if key == "" || len(key) > adminsessions.MaxKeyBytes || strings.HasPrefix(key, "audit.") {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	_, taken := adminsessions.FieldByKey(key)
	return !taken
}
