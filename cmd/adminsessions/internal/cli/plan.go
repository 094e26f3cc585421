package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/doctor"
	"github.com/adminsessions/adminsessions/internal/trail"
)

type planCommand struct {
	PerDay  float64       `placeholder:"N" help:"How many events a day. Default: as many as the trail has had in the last week."`
	Outage  string        `default:"1d" placeholder:"DURATION" help:"How long Loki may be away. Default: ${default}."`
	Keep    string        `default:"1y" placeholder:"DURATION" help:"How long the trail is kept. Default: ${default}."`
	Timeout time.Duration `default:"1m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
	Output
	Trail
}

// Run says what a trail needs of disks and time.
func (c *planCommand) Run(ctx context.Context, w *World) error {
	outage, err := parseAgo(c.Outage)
	if err != nil {
		return usage("--outage: %w", err)
	}
	keep, err := parseAgo(c.Keep)
	if err != nil {
		return usage("--keep: %w", err)
	}
	if c.PerDay < 0 || c.PerDay > 1e12 {
		return usage("--per-day %g: want a number of events, or 0 to count them", c.PerDay)
	}
	perDay := c.PerDay
	if perDay == 0 {
		if perDay, err = c.count(ctx, w); err != nil {
			return err
		}
	}
	p := doctor.MakePlan(perDay, outage, keep)
	if c.JSON {
		return document(w.Stdout, p)
	}
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%s  %s\n", c.palette(w).paint(dim, pad(name, 12)), fmt.Sprintf(format, args...))
	}
	line("events", "%.0f a day", p.EventsPerDay)
	line("outage", "%s of Loki: %.0f events wait, %s in the spools", c.Outage, p.Backlog, formatBytes(p.SpoolBytes))
	line("spools", "limits of %s together, twice that; the default of 1 GiB lasts %s", formatBytes(p.Limit), lasting(p.DefaultLasts))
	line("draining", "takes %v where Loki does not limit it; doctor says whether it does", p.Drain)
	line("Loki's disk", "%s when the trail is %s old", formatBytes(p.Disk), c.Keep)
	_, err = fmt.Fprint(w.Stdout, b.String())
	return err
}

// count is how many events a day the trail has had.
func (c *planCommand) count(ctx context.Context, w *World) (float64, error) {
	store, _, err := c.store(w)
	if err != nil {
		return 0, err
	}
	asking, cancel := (&Range{Timeout: c.Timeout}).within(ctx)
	defer cancel()
	const days = 7
	now := w.Now().Truncate(time.Millisecond)
	logs, err := store.Numbers(asking, trail.Window{From: now.Add(-days * 24 * time.Hour), To: now})
	if err != nil {
		return 0, failed(asking, "counting the events of the last week", err)
	}
	n := int64(0)
	for i := range logs {
		n += logs[i].Events
	}
	if n == 0 {
		return 0, usage("the trail has no events within the last week; give --per-day")
	}
	return float64(n) / days, nil
}

// lasting is a long time.
func lasting(d time.Duration) string {
	if days := d.Hours() / 24; days >= 2 {
		return fmt.Sprintf("%.0f days", days)
	}
	return d.String()
}
