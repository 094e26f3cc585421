package instrumentation

import (
	"context"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
	"github.com/adminsessions/adminsessions/internal/panics"
	"github.com/adminsessions/adminsessions/internal/text"
)

// recordStarted makes the record that a request is under way, once. byHandler
// says that it is called by the goroutine that handles the request.
func (s *scope) recordStarted(byHandler bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.rec
	if rec == nil || rec.startedSent {
		return
	}
	if byHandler {
		s.noteRoute(rec)
		rec.event.StatusCode = s.status
	}
	_ = s.sendStarted(s.detached(rec), adminsessions.Spooled)
}

// sendStarted must be called with mu held.
func (s *scope) sendStarted(ctx context.Context, d adminsessions.Durability) error {
	rec := s.rec
	e := &rec.event
	rec.startedSent = true
	e.Stage = adminsessions.Started
	e.TraceID, e.SpanID = rec.span.TraceID(), rec.span.SpanID()
	action, resource := e.Action, e.Resource
	s.foreseeRoute(rec)
	s.complement(rec, false)
	alone, err := s.m.deliver(ctx, rec, d)
	if rec.startedAlone = alone && err == nil; rec.startedAlone {
		s.m.metrics.Started.Add(1)
	}
	e.Stage, e.StatusCode = "", 0
	e.Action, e.Resource = action, resource // the route may not be known yet
	return err
}

// finish makes the record of a request that has ended. If the handler did not
// return, panicked holds what it panicked with, or nil if its goroutine is
// being ended.
func (s *scope) finish(returned bool, panicked any) {
	m := s.m
	m.watch.remove(s)
	end := m.now()
	status, errorType := s.conclude(returned, panicked, end)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.rec.event
	e.StatusCode = status
	s.noteRoute(s.rec)
	if returned && errorType == "" && s.isCountOnly(s.rec) {
		m.release(s.rec)
		s.rec = nil
		return
	}
	m.countRequest(e.Type)
	s.end(end, returned, errorType)
}

// end completes the record and hands it over. It must be called with mu held.
func (s *scope) end(end time.Time, returned bool, errorType string) {
	m, rec := s.m, s.rec
	s.rec = nil
	e := &rec.event
	e.Stage = adminsessions.Complete
	e.Duration = end.Sub(e.Time)
	if errorType != "" {
		e.ErrorType = m.bounded(e, fieldErrorType, joinTypes(e.ErrorType, errorType))
	}
	e.TraceID, e.SpanID = rec.span.TraceID(), rec.span.SpanID()
	s.complement(rec, true)
	s.who = whoOf(e)
	if !returned {
		m.metrics.Panics.Add(1)
	}
	if len(e.Cut) > 0 {
		m.metrics.Cut.Add(int64(len(e.Cut)))
	}
	_, _ = m.deliver(s.detached(rec), rec, adminsessions.Spooled)
	m.release(rec)
}

// conclude finds out how the request has ended. The context and the
// ResponseWriter may be somebody else's and panic: the record is made all the
// same.
func (s *scope) conclude(returned bool, panicked any, end time.Time) (status int, errorType string) {
	defer func() {
		if v := recover(); v != nil {
			status, errorType = s.status, panics.Type(v)
			if !s.wroteHeader {
				status = http.StatusInternalServerError
			}
		}
	}()
	if returned && !s.wroteHeader && !s.hijacked {
		s.noteRequestID() // net/http is about to send an implicit 200
	}
	return s.outcome(returned, panicked, end)
}

// complement adds what is worked out of the rest of a request: the form, once it
// has ended, and the act. It never panics: the record is worth more than what it
// would have had.
func (s *scope) complement(rec *record, ended bool) {
	if s.req == nil {
		return
	}
	e := &rec.event
	defer s.m.omitPanic(e)
	if ended {
		s.recordForm(e)
		s.recordBody(e)
	}
	said := e.Action != ""
	describeAct(e, rec.act)
	if !said && e.Action != "" && s.m.actions != nil {
		s.m.nameAct(e)
	}
}

// omitPanic, deferred, ends a panic in what works out a detail of a record.
func (m *middleware) omitPanic(e *adminsessions.Event) {
	v := recover()
	if v == nil {
		return
	}
	m.metrics.Details[counters.DetailPanic].Add(1)
	if l := m.omissions.take(); l != nil {
		l.Error("detail left out of a record: working it out panicked", "request_id", e.RequestID, "panic", panics.Type(v))
	}
}

func (m *middleware) countRequest(t adminsessions.Type) {
	if t == adminsessions.API {
		m.metrics.API.Add(1)
	} else {
		m.metrics.Web.Add(1)
	}
}

func (s *scope) noteRoute(rec *record) {
	if rec.event.Route == "" && s.req.Pattern != "" {
		s.setRoute(rec, s.req.Pattern)
	}
}

// bounded cleans a value from outside and marks it in the event when it was
// cut.
func (m *middleware) bounded(e *adminsessions.Event, f field, value string) string {
	value, cut := text.Clean(value, f.limit)
	if cut {
		markCut(e, f.name)
	}
	return value
}

func markCut(e *adminsessions.Event, name string) {
	if !slices.Contains(e.Cut, name) {
		e.Cut = append(e.Cut, name)
	}
}

// setAttribute sets one of the application's attributes, in place of an
// earlier one of the same key.
func (m *middleware) setAttribute(e *adminsessions.Event, kv attribute.KeyValue) {
	for i := range e.Attributes {
		if e.Attributes[i].Key == kv.Key {
			e.Attributes[i] = kv
			return
		}
	}
	if len(e.Attributes) == adminsessions.MaxAttributes {
		m.metrics.Details[counters.DetailTooMany].Add(1)
		return
	}
	e.Attributes = append(e.Attributes, kv)
}
