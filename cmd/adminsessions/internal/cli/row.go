package cli

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// rows writes events, one a line, for people.
type rows struct {
	w      io.Writer
	colour palette
	zone   *time.Location
}

// The columns' widths, of terminal cells. What is wider pushes the rest of its
// line; nothing is cut, so that what is printed can be searched.
const (
	widthAdmin    = 24
	widthAddress  = 15
	widthMethod   = 7
	widthStatus   = 7
	widthDuration = 8
)

// write writes an event.
func (r *rows) write(e *trail.Event) error {
	at := r.colour.paint(dim, e.Time.In(r.zone).Format("2006-01-02 15:04:05"))
	if e.Unreadable {
		_, err := fmt.Fprintln(r.w, at, r.colour.paint(red, "?"), visible(e.Line))
		return err
	}
	cells := []string{
		at,
		r.colour.paint(bold, pad(nameOf(e.User), widthAdmin)),
		pad(addressOf(e), widthAddress),
		r.colour.paint(typeColour(e.Type), pad(visible(string(e.Type)), 4)),
		r.colour.paint(methodColour(e.Method), pad(visible(cmp.Or(e.SentMethod, e.Method, "-")), widthMethod)),
		r.colour.paint(statusColour(e), pad(statusOf(e), widthStatus)),
		padLeft(durationOf(e), widthDuration),
	}
	for _, s := range []string{r.colour.paint(bold, visible(actOf(e))), visible(e.URL), r.colour.paint(dim, visible(e.Note))} {
		if s != "" {
			cells = append(cells, s)
		}
	}
	_, err := fmt.Fprintln(r.w, strings.Join(cells, "  "))
	return err
}

// nameOf is the name under which an account is shown.
func nameOf(u adminsessions.User) string {
	return cmp.Or(visible(cmp.Or(u.FullName, u.Email, u.ID)), "-")
}

func addressOf(e *trail.Event) string {
	if !e.ClientAddress.IsValid() {
		return "-"
	}
	return visible(e.ClientAddress.String())
}

// statusOf is the status, or that the request goes on, or the act's outcome where
// there is no status.
func statusOf(e *trail.Event) string {
	switch {
	case e.InProgress():
		return "started"
	case e.StatusCode > 0:
		return strconv.Itoa(e.StatusCode)
	}
	return visible(cmp.Or(string(e.Outcome), "-"))
}

func durationOf(e *trail.Event) string {
	switch d := e.Duration; {
	case e.InProgress():
		return "…"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
	case d < 10*time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	default:
		return d.Round(time.Second).String()
	}
}

// actOf is what was done, and to what: clients.delete clients 7731 "Acme".
func actOf(e *trail.Event) string {
	act := e.Action
	if o := e.Resource; o != (adminsessions.Resource{}) {
		act += " " + strings.TrimSpace(o.Type+" "+o.ID)
		if o.Name != "" {
			act += " " + strconv.Quote(o.Name)
		}
	}
	if e.SignIn.Name != "" {
		act += " as " + strconv.Quote(e.SignIn.Name)
	}
	if e.Count > 1 {
		act += fmt.Sprintf(" ×%d", e.Count)
	}
	return strings.TrimSpace(act)
}

// pad fills a text up with blanks. Letters of double width and marks are rare
// enough in a trail that a character counts as one cell.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}

// The colours are those of the page's labels.
func typeColour(t adminsessions.Type) string {
	switch t {
	case adminsessions.Web:
		return green
	case adminsessions.API:
		return blue
	case adminsessions.CLI, adminsessions.Job:
		return cyan
	case adminsessions.MCP:
		return magenta
	case adminsessions.Trail:
	}
	return dim
}

func methodColour(method string) string {
	switch method {
	case "GET":
		return green
	case "POST":
		return orange
	case "PUT", "PATCH":
		return yellow
	case "DELETE":
		return red
	}
	return dim
}

func statusColour(e *trail.Event) string {
	switch e.StatusCode / 100 {
	case 2:
		return green
	case 3:
		return cyan
	case 4:
		return orange
	case 5:
		return red
	}
	switch e.Outcome {
	case adminsessions.OutcomeSuccess:
		return green
	case adminsessions.OutcomeDenied, adminsessions.OutcomeFailure:
		return orange
	case adminsessions.OutcomeError:
		return red
	}
	return dim
}
