package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/adminsessions/adminsessions/internal/text"
)

// World is what a command has of the outside, so that tests can have one of their
// own.
type World struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Logger         *slog.Logger
}

// isTerminal reports whether a person reads w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Output is how commands write.
type Output struct {
	JSON  bool   `name:"json" help:"Print JSON: one object a line for lists of events, else one document."`
	Color string `enum:"auto,always,never" default:"auto" help:"Colour what is printed: ${enum}. auto is for terminals, unless NO_COLOR is set." placeholder:"WHEN"`
	UTC   bool   `name:"utc" help:"Show times in UTC instead of the local time zone."`
}

// zone is the time zone in which times are read and shown.
func (o *Output) zone() *time.Location {
	if o.UTC {
		return time.UTC
	}
	return time.Local
}

// palette returns the colours for what a command prints.
func (o *Output) palette(w *World) palette {
	switch o.Color {
	case "always":
		return true
	case "never":
		return false
	}
	return palette(w.Getenv("NO_COLOR") == "" && w.Getenv("TERM") != "dumb" && isTerminal(w.Stdout))
}

// palette colours texts, or leaves them as they are.
type palette bool

// Colours, as parameters of the terminal's SGR sequence.
const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	blue    = "34"
	magenta = "35"
	cyan    = "36"
	orange  = "38;5;208"
)

func (p palette) paint(colour, s string) string {
	if !p || colour == "" || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// visible is s as one line in which a terminal can find no command: what can't be
// seen is □, and line feeds, which separate notes, are semicolons.
func visible(s string) string {
	clean, _ := text.Clean(strings.ReplaceAll(s, "\n", "; "), 3*len(s)+16)
	return clean
}

// progress tells on standard error how far long work is, where a person looks on.
type progress struct {
	w     io.Writer
	now   func() time.Time
	last  time.Time
	shown bool
}

func newProgress(w *World) *progress {
	p := &progress{now: w.Now}
	if isTerminal(w.Stderr) && w.Getenv("TERM") != "dumb" {
		p.w = w.Stderr
	}
	return p
}

// tell shows a message in place of the one before, at most five a second.
func (p *progress) tell(format string, args ...any) {
	if p.w == nil || p.now().Sub(p.last) < 200*time.Millisecond {
		return
	}
	p.last, p.shown = p.now(), true
	fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
}

// clear takes the message away, before something else is printed.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
