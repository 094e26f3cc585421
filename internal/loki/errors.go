package loki

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kind says what went wrong with a query, and so who can help.
type Kind string

// The kinds of errors.
const (
	// Unavailable: Loki cannot be reached or is not well. Waiting helps.
	Unavailable Kind = "unavailable"
	// TooBroad: the query is more than Loki's limits or the deadline allow. A
	// narrower question helps.
	TooBroad Kind = "too_broad"
	// Misconfigured: Loki refuses whoever asks, or is not Loki. Only the
	// operator can help.
	Misconfigured Kind = "misconfigured"
	// Canceled: who asked no longer wants to know.
	Canceled Kind = "canceled"
)

// ErrTooManySeries is in the error for a metric query that has more series than
// Loki puts into one answer (its max_query_series): a question about fewer streams
// or fewer labels is answered.
var ErrTooManySeries = errors.New("more series than Loki puts into one answer")

// tooManySeries reports whether Loki says so: in a refusal, or in a warning beside
// an answer that lacks the rest.
func tooManySeries(text string) bool {
	return strings.Contains(text, "maximum number of series") || strings.Contains(text, "maximum of series")
}

// Error is a failed query.
type Error struct {
	Kind   Kind
	Status int    // HTTP status of Loki's answer, 0 without one
	Detail string // what Loki or the network said; for the log only

	err error
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("querying Loki: %s: status %d: %s", e.Kind, e.Status, e.Detail)
	}
	return fmt.Sprintf("querying Loki: %s: %s", e.Kind, e.Detail)
}

func (e *Error) Unwrap() error { return e.err }

// transportError is an error without a (whole) answer.
func transportError(ctx context.Context, err error) *Error {
	kind := Unavailable
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		kind = TooBroad
	case ctx.Err() != nil:
		kind = Canceled
	}
	return &Error{Kind: kind, Detail: err.Error(), err: err}
}

// limitWords are what Loki's refusals of a query that is too much have in
// common.
var limitWords = []string{"limit", "too many", "too large", "too far", "maximum", "larger than max", "exceeded", "timeout"}

func answerError(status int, text string) *Error {
	e := &Error{Kind: Unavailable, Status: status, Detail: text}
	limited := false
	// A query that can't be parsed is quoted in the answer, with any word in it.
	if lower := strings.ToLower(text); !strings.HasPrefix(lower, "parse error") {
		for _, w := range limitWords {
			limited = limited || strings.Contains(lower, w)
		}
	}
	if limited && tooManySeries(text) {
		e.err = ErrTooManySeries
	}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestEntityTooLarge,
		status == http.StatusGatewayTimeout, status == http.StatusBadRequest && limited,
		status == http.StatusInternalServerError && limited:
		e.Kind = TooBroad
	case status < 500:
		e.Kind = Misconfigured
	}
	return e
}
