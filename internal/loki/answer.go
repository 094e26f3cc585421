package loki

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Verdict is what an answer means for the push it answers.
type Verdict int

// The verdicts.
const (
	// Acknowledged: Loki has every entry.
	Acknowledged Verdict = iota
	// TryAgain: nothing is known to be wrong with the push; send it again later.
	TryAgain
	// Throttled: like TryAgain, and parts may pass where the whole cannot.
	Throttled
	// Hold: the request as a whole is refused, for its address, its credentials
	// or its tenant. Send it again later, and say so loudly: a wrong password
	// must not eat the trail.
	Hold
	// TooLarge: nothing is stored; send it in parts.
	TooLarge
	// Untimely: Loki refuses entries for their times, see Answer.Faults; those
	// that have none are stored.
	Untimely
	// Oversized: Loki refuses entries whose line is longer than
	// Answer.Faults.MaxLine; the others are stored.
	Oversized
	// Refused: the push is refused, and nothing says that an entry is to blame.
	Refused
)

// Answer is what became of one attempt to push.
type Answer struct {
	Verdict    Verdict
	Status     string // bounded, for metrics: one of PushStatuses, "" if acknowledged
	RetryAfter time.Duration
	Faults     Faults
	Err        error // nil if acknowledged; Loki's words, bounded
	Took       time.Duration
}

// PushStatuses are the values of Answer.Status.
func PushStatuses() []string {
	return []string{"transport", "timeout", "3xx", "400", "401", "403", "404", "413", "429", "4xx", "500", "502", "503", "504", "5xx", "unexpected"}
}

// Classify says what an answer to a push means. Only Loki's one acknowledgement
// is proof that it has the entries, and only Loki naming an entry's own fault is
// proof against an entry: see [faultsIn].
func Classify(status int, text string) Answer {
	if status == http.StatusNoContent {
		return Answer{Verdict: Acknowledged}
	}
	a := Answer{Status: statusLabel(status), Err: newPushError(status, text)}
	switch {
	case status == http.StatusBadRequest:
		a.Verdict = Refused
		if faults, ok := faultsIn(text); ok {
			a.Faults = faults
			if a.Verdict = Untimely; faults.MaxLine > 0 {
				a.Verdict = Oversized
			}
		}
	case status == http.StatusUnprocessableEntity:
		a.Verdict = Refused
	case status == http.StatusRequestEntityTooLarge, status == http.StatusInternalServerError && messageTooLarge(text):
		a.Verdict = TooLarge
	case status == http.StatusTooManyRequests:
		a.Verdict = Throttled
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		a.Verdict = TryAgain
	default:
		// Also what is below 300 and no acknowledgement: not Loki, but a login
		// page, or a proxy's own page.
		a.Verdict = Hold
	}
	return a
}

// messageTooLarge recognises gRPC's refusal of a message between Loki's parts.
func messageTooLarge(text string) bool {
	return strings.HasPrefix(text, "rpc error: code = ResourceExhausted desc = ") && strings.Contains(text, " message larger than max (")
}

func statusLabel(status int) string {
	s := strconv.Itoa(status)
	switch status {
	case 400, 401, 403, 404, 413, 429, 500, 502, 503, 504:
		return s
	}
	switch status / 100 {
	case 3, 4, 5:
		return s[:1] + "xx"
	}
	return "unexpected"
}

// maxErrorText is how much of an answer an error repeats.
const maxErrorText = 1 << 10

// pushError is an answer of Loki that is not an acknowledgement.
type pushError struct {
	status int
	text   string
}

func newPushError(status int, text string) error {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "□"))
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + " …"
	}
	return &pushError{status, text}
}

func (e *pushError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("loki answered %d %s", e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("loki answered %d: %s", e.status, e.text)
}
