package instrumentation

import (
	"context"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions/internal/panics"
)

// Values of error.type. Where several things are true they stand side by side,
// separated by a comma and a space. Those of panics are of package panics.
const (
	errorTypeClientGone   = "client_gone"        // the client left before the answer was complete
	errorTypeTimeout      = "timeout"            // a deadline set around the middleware ran out
	errorTypeWriteTimeout = "write_timeout"      // the server's WriteTimeout ran out: the client got nothing, or a part
	errorTypeExit         = "goexit"             // the handler ended its goroutine
	errorTypeCanceled     = "canceled"           // an act without a request was called off
	errorTypeReason       = "reason_required"    // refused, because it does not say why
	errorTypeUnrecorded   = "record_unavailable" // refused in strict mode
)

// statusClientClosedRequest is recorded when the client left and the handler has
// given no status. It is nginx's, not a registered status, and is never sent.
const statusClientClosedRequest = 499

// outcome is the status and error.type of a request that has ended. Errors are
// compared as they are: the methods of foreign ones may panic.
//
// The status is the one that the handler gave, whatever became of the
// connection: a client that hangs up, or reads slowly, must not choose what the
// record says of what was done. Only where somebody else has answered in the
// handler's place is it theirs.
func (s *scope) outcome(returned bool, panicked any, end time.Time) (status int, errorType string) {
	given := s.wroteHeader || s.hijacked
	failure := ""
	switch {
	case panicked != nil:
		failure = panics.Type(panicked)
	case !returned:
		failure = errorTypeExit
	}
	cause := s.ctx.Err()
	switch {
	case s.stream && failure == "":
		return s.status, "" // that its client leaves is how a stream ends
	case s.writeErr == http.ErrHandlerTimeout, cause == context.DeadlineExceeded && isTimeoutWriter(s.rw):
		if given {
			errorType = errorTypeTimeout + ", handler " + strconv.Itoa(s.status)
		} else {
			errorType = errorTypeTimeout
		}
		return http.StatusServiceUnavailable, joinTypes(errorType, failure)
	}

	left := ""
	switch {
	case s.wroteTooLate(end):
		left = errorTypeWriteTimeout
	case cause == context.Canceled && !s.readTooLong(end):
		left = errorTypeClientGone
	}
	switch {
	case failure == panics.Abort && (given || left != ""):
		// A proxying handler aborts when either side has gone. What it has
		// passed on until then stands.
		if left == "" {
			return s.status, panics.Abort
		}
		failure = ""
	case failure != "" && (!given || left == ""):
		return http.StatusInternalServerError, joinTypes(left, failure)
	}
	switch {
	case given:
		return s.status, joinTypes(left, failure)
	case left == errorTypeClientGone:
		return statusClientClosedRequest, left
	case cause == context.DeadlineExceeded:
		// Who set the deadline has answered, or will, in our place.
		return http.StatusServiceUnavailable, errorTypeTimeout
	}
	return http.StatusOK, left
}

// joinTypes puts two values of error.type side by side.
func joinTypes(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "" || a == b:
		return a
	}
	return a + ", " + b
}

// shortestWriteTimeout is less than any server's, so that the server is looked
// up only for requests that may have met it.
const shortestWriteTimeout = time.Millisecond

// wroteTooLate reports whether the time in which the server lets an answer be
// written was over when the request ended. What a handler writes goes through a
// buffer, so it may learn of it from no error.
func (s *scope) wroteTooLate(end time.Time) bool {
	if s.writeErr != nil && isDeadline(s.writeErr) {
		return true
	}
	if s.hijacked {
		return false
	}
	if d := s.deadlines; d != nil && d.writeSet {
		return !d.write.IsZero() && end.After(d.write)
	}
	took := end.Sub(s.rec.event.Time)
	if took < shortestWriteTimeout {
		return false
	}
	server, ok := s.ctx.Value(http.ServerContextKey).(*http.Server)
	return ok && server.WriteTimeout > 0 && took > server.WriteTimeout
}

// readTooLong reports whether the context may have ended because a time to read
// that the handler has chosen was over.
func (s *scope) readTooLong(end time.Time) bool {
	d := s.deadlines
	return d != nil && !d.read.IsZero() && end.After(d.read) && s.writeErr == nil
}

// isDeadline is errors.Is, for an error whose methods may panic.
func isDeadline(err error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// isTimeoutWriter reports whether w, or what it wraps, is the writer of
// [http.TimeoutHandler]: that keeps back what is written until its handler has
// returned, and throws it away once the time is over.
func isTimeoutWriter(w http.ResponseWriter) bool {
	for w != nil {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	return reflect.TypeOf(w) == timeoutWriterType()
}

func timeoutWriterType() (t reflect.Type) {
	find := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { t = reflect.TypeOf(w) })
	http.TimeoutHandler(find, time.Hour, "").ServeHTTP(headerOnly{}, new(http.Request))
	return t
}

// headerOnly is a ResponseWriter of nothing.
type headerOnly struct{}

func (headerOnly) Header() http.Header         { return http.Header{} }
func (headerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (headerOnly) WriteHeader(int)             {}
