package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// The statuses with which the program ends. Scripts rely on them; docs/cli.md
// has the table.
const (
	StatusFound       = 0   // done, and something was found or nothing is wrong
	StatusNothing     = 1   // nothing was found, or something is wrong with what was looked at
	StatusUsage       = 2   // the command line, a file named on it, or the environment is wrong
	StatusFailed      = 3   // it could not be done: Loki, the spool or the disk fails
	StatusInterrupted = 130 // somebody interrupted it
)

// statusError is an error that says with which status the program ends.
type statusError struct {
	status int
	err    error // nil if there is nothing to say
}

func (e *statusError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error   { return e.err }
func (e *statusError) ExitStatus() int { return e.status }

// usage is a mistake that whoever typed the command can mend.
func usage(format string, args ...any) error {
	return &statusError{StatusUsage, fmt.Errorf(format, args...)}
}

// nothing ends the program with [StatusNothing]; what was found, or not, is told
// already.
func nothing() error { return &statusError{StatusNothing, nil} }

// failed says that doing something failed. What Loki says is told with what may
// help.
func failed(ctx context.Context, doing string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &statusError{StatusInterrupted, errors.New("interrupted")}
	}
	if refusal, ok := errors.AsType[*loki.Error](err); ok {
		return &statusError{StatusFailed, fmt.Errorf("%s: %s (%s)", doing, inShort(refusal), advice(refusal))}
	}
	return &statusError{StatusFailed, fmt.Errorf("%s: %w", doing, err)}
}

// inShort is an error of Loki without the question that was asked, which can be a
// page long.
func inShort(e *loki.Error) string {
	what := e.Error()
	if asked, ok := errors.AsType[*url.Error](e); ok {
		what = asked.Err.Error()
		if u, err := url.Parse(asked.URL); err == nil {
			what = "Loki at " + u.Host + ": " + what
		}
	}
	what = visible(what)
	if len(what) > maxTold {
		what = strings.ToValidUTF8(what[:maxTold], "") + " …"
	}
	return what
}

// maxTold is how much of what Loki says is told.
const maxTold = 600

func advice(e *loki.Error) string {
	switch e.Kind {
	case loki.TooBroad:
		return "ask for less time with --from and --to, or give it longer with --timeout"
	case loki.Misconfigured:
		return "adminsessions doctor looks for the reason"
	case loki.Unavailable, loki.Canceled:
	}
	return "is Loki there? adminsessions doctor looks"
}
