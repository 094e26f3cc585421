package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/doctor"
)

type doctorCommand struct {
	Keep    string        `placeholder:"DURATION" help:"How long the trail is to be kept, such as 1y: shorter retention is a finding."`
	Probe   bool          `help:"Also push an entry that Loki has to refuse, because its answer tells how old entries may be."`
	All     bool          `short:"a" help:"Show what is well, too."`
	Timeout time.Duration `default:"1m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
	Output
	Trail
}

// Run examines Loki. It ends with [StatusNothing] if something would lose, double,
// hide or falsify an event.
func (c *doctorCommand) Run(ctx context.Context, w *World) error {
	var keep time.Duration
	if c.Keep != "" {
		var err error
		if keep, err = parseAgo(c.Keep); err != nil {
			return usage("--keep: %w", err)
		}
	}
	store, client, err := c.store(w)
	if err != nil {
		return err
	}
	asking, cancel := (&Range{Timeout: c.Timeout}).within(ctx)
	defer cancel()
	findings, err := doctor.Examine(asking, doctor.Options{Client: client, Store: store, Now: w.Now, Keep: keep, Probe: c.Probe})
	grave := 0
	for i := range findings {
		if findings[i].Effect.Grave() {
			grave++
		}
	}
	if c.JSON {
		perr := document(w.Stdout, struct {
			URL      string           `json:"url"`
			QueryURL string           `json:"query_url"`
			Grave    int              `json:"grave"`
			Findings []doctor.Finding `json:"findings"`
		}{client.URL(), client.QueryURL(), grave, findings})
		if perr != nil {
			return perr
		}
	} else {
		c.print(w, findings, grave, err == nil)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return failed(ctx, "examining Loki", err)
	case err != nil: // the last finding says why
		return &statusError{StatusFailed, errors.New("the examination could not be ended")}
	case grave > 0:
		return nothing()
	}
	return nil
}

// marks are what stands before a finding, and its colour.
var marks = map[doctor.Effect][2]string{
	doctor.None: {"ok", green}, doctor.Slows: {"advice", yellow}, doctor.Unknown: {"unknown", magenta},
	doctor.Loses: {"LOSES", red}, doctor.Doubles: {"DOUBLES", red}, doctor.Hides: {"HIDES", red}, doctor.Falsifies: {"FALSIFIES", red},
}

func (c *doctorCommand) print(w *World, findings []doctor.Finding, grave int, whole bool) {
	colour := c.palette(w)
	well := 0
	var b strings.Builder
	for _, f := range findings {
		if f.Effect == doctor.None {
			if well++; !c.All {
				continue
			}
		}
		mark := marks[f.Effect]
		fmt.Fprintf(&b, "%s  %s: %s\n", colour.paint(mark[1], pad(mark[0], 9)), colour.paint(bold, f.Of), visible(f.Found))
		for _, more := range []string{f.Why, f.Do} {
			if more != "" {
				fmt.Fprintf(&b, "%s  %s\n", pad("", 9), visible(more))
			}
		}
	}
	fmt.Fprint(w.Stdout, b.String())
	if !whole {
		return
	}
	verdict := colour.paint(green, "nothing found that would lose, double, hide or falsify an event")
	if grave > 0 {
		verdict = colour.paint(red, plural(uint64(grave), "finding")+" by which events would be lost, doubled, hidden or falsified")
	}
	fmt.Fprintf(w.Stdout, "%s; %d of %d examinations were well\n", verdict, well, len(findings))
}
