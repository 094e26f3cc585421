package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

type showCommand struct {
	ID      string        `arg:"" help:"The id of a request (X-Request-Id), or of an act without one."`
	From    string        `default:"30d" placeholder:"TIME" help:"From when on to look for it, as for search. Default: ${default} ago."`
	To      string        `default:"now" placeholder:"TIME" help:"Until when. Default: now."`
	Timeout time.Duration `default:"2m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
	Output
	Trail
}

// maxShown is how many events of one id are shown: ids that clients choose need
// not be unique.
const maxShown = 100

// Run shows what is recorded of a request: its start, if it went on, its end, and
// the acts that it has caused.
func (c *showCommand) Run(ctx context.Context, w *World) error {
	if c.ID == "" {
		return usage("the id is empty; want that of a request")
	}
	r := &Range{From: c.From, To: c.To, Timeout: c.Timeout}
	window, err := r.window(w, c.zone())
	if err != nil {
		return err
	}
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	asking, cancel := r.within(ctx)
	defer cancel()
	told := newProgress(w)
	defer told.clear()
	// What is meant by an id is shown, whatever it is.
	f := trail.Filter{Only: trail.Conditions{Requests: []string{c.ID}, Types: types()}, Looks: true}
	n := 0
	show := &rows{w: w.Stdout, colour: c.palette(w), zone: c.zone()}
	for e, err := range store.Walk(asking, trail.Walk{Filter: f, Window: window, Batch: maxShown + 1,
		Progress: func(done float64, _ trail.Cursor) { told.tell("searched %.0f %%", 100*done) }}) {
		if err != nil {
			told.clear()
			return failed(asking, "looking for the request", err)
		}
		told.clear()
		if n++; n > maxShown {
			fmt.Fprintf(w.Stderr, "there are more than %d events of this id; search 'request:%s' shows all\n", maxShown, c.ID)
			return nil
		}
		if c.JSON {
			err = newEncoder(w.Stdout).Encode(export.EventOf(&e))
		} else {
			err = show.details(&e)
		}
		if err != nil {
			return failed(ctx, "printing", err)
		}
	}
	told.clear()
	if n == 0 {
		fmt.Fprintln(w.Stderr, "nothing found; --from looks further back")
		return nothing()
	}
	return nil
}

// types are all types of events.
func types() []adminsessions.Type {
	return []adminsessions.Type{adminsessions.Web, adminsessions.API, adminsessions.CLI, adminsessions.Job, adminsessions.MCP, adminsessions.Trail}
}
