package cli

import (
	"context"
	"fmt"

	"github.com/adminsessions/adminsessions/internal/trail"
)

type searchCommand struct {
	Query
	Limit  int  `short:"n" default:"50" placeholder:"N" help:"The most events to print; 0 is no limit. Default: ${default}."`
	Oldest bool `help:"The oldest events first; default the newest."`
	Count  bool `help:"Print only how many requests there are."`
	Range
	Output
	Trail
}

// Run searches the trail.
func (c *searchCommand) Run(ctx context.Context, w *World) error {
	if c.Limit < 0 {
		return usage("--limit %d: want 0 or more", c.Limit)
	}
	store, f, window, err := question(w, &c.Query, &c.Range, c.zone(), &c.Trail)
	if err != nil {
		return err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	if c.Count {
		return c.count(ctx, w, store, f, window)
	}
	return c.search(ctx, w, store, f, window)
}

func (c *searchCommand) search(ctx context.Context, w *World, store *trail.Store, f trail.Filter, window trail.Window) error {
	write, told := c.events(w), newProgress(w)
	defer told.clear()
	n, more := 0, false
	walk := trail.Walk{Filter: f, Window: window, Forward: c.Oldest, Batch: batchFor(c.Limit), Progress: func(done float64, place trail.Cursor) {
		told.tell("searched %.0f %%, up to %s", 100*done, place.Time().In(c.zone()).Format("2006-01-02 15:04"))
	}}
	for e, err := range store.Walk(ctx, walk) {
		if err != nil {
			told.clear()
			return failed(ctx, "searching the trail", err)
		}
		if more = c.Limit > 0 && n == c.Limit; more {
			break
		}
		told.clear()
		if err := write(&e); err != nil {
			return failed(ctx, "printing", err)
		}
		n++
	}
	told.clear()
	switch {
	case n == 0:
		fmt.Fprintln(w.Stderr, "nothing found")
		return nothing()
	case more && !c.JSON:
		fmt.Fprintf(w.Stderr, "there are more than %d; --limit 0 prints all, export writes them to a file\n", n)
	}
	return nil
}

// batchFor is how many events to ask for at a time: one more than wanted tells
// whether there are more.
func batchFor(limit int) int {
	if limit == 0 || limit >= trail.MaxBatch {
		return trail.MaxBatch / 2
	}
	return limit + 1
}

func (c *searchCommand) count(ctx context.Context, w *World, store *trail.Store, f trail.Filter, window trail.Window) error {
	n, err := store.Count(ctx, f, window)
	if err != nil {
		return failed(ctx, "counting", err)
	}
	switch {
	case c.JSON:
		err = newEncoder(w.Stdout).Encode(struct {
			Count   int64 `json:"count"`
			AtLeast bool  `json:"at_least,omitempty"`
			AtMost  bool  `json:"at_most,omitempty"`
		}{n.N, n.AtLeast, n.AtMost})
	default:
		_, err = fmt.Fprintln(w.Stdout, n.N)
		if doubt := doubtOf(n); doubt != "" {
			fmt.Fprintln(w.Stderr, doubt)
		}
	}
	if err == nil && n.N == 0 && !n.AtLeast {
		return nothing()
	}
	return err
}

// doubtOf says what is not known of a count.
func doubtOf(n trail.Count) string {
	switch {
	case n.AtLeast && n.AtMost:
		return "Loki warns that its answer is not whole: there may be more or fewer"
	case n.AtLeast:
		return "there are more: numbers are missing in what Loki has read; ask again, and if that stays so adminsessions verify tells which"
	case n.AtMost:
		return "some may have been counted twice: a push was sent again after its answer was lost"
	}
	return ""
}
