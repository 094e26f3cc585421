package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/doctor"
	"github.com/adminsessions/adminsessions/internal/trail"
)

type planCommand struct {
	Events  string        `placeholder:"RATE" help:"How many events all panels have together, such as 200/s, 5000/h or 1e6/d. Default: as many as the trail has had in the last week."`
	Panels  int           `placeholder:"N" help:"How many panels there are: each spool is a log, and each log a stream in Loki. Default: as many logs as the trail has had in the last week; 1 with --events."`
	Bytes   int           `placeholder:"N" help:"How long an event's line is. Default: as long as the trail's newest are; ${line_bytes} with --events."`
	Peak    float64       `default:"${peak}" placeholder:"N" help:"How many times the average the busiest second has. Default: ${default}."`
	Copies  int           `name:"replication" default:"1" placeholder:"N" help:"How many ingesters take each event: Loki's replication_factor. Default: ${default}."`
	Outage  string        `default:"1d" placeholder:"DURATION" help:"How long Loki may be away. Default: ${default}."`
	Keep    string        `default:"1y" placeholder:"DURATION" help:"How long the trail is kept. Default: ${default}."`
	Timeout time.Duration `default:"1m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
	Output
	Trail
}

// Run says what a trail needs of disks, processors and time, and what to set in
// Loki for it.
func (c *planCommand) Run(ctx context.Context, w *World) error {
	outage, err := parseAgo(c.Outage)
	if err != nil {
		return usage("--outage: %w", err)
	}
	keep, err := parseAgo(c.Keep)
	if err != nil {
		return usage("--keep: %w", err)
	}
	load, err := c.load(ctx, w)
	if err != nil {
		return err
	}
	p := doctor.MakePlan(load, outage, keep)
	if c.JSON {
		return document(w.Stdout, p)
	}
	c.print(w, &p)
	return nil
}

// load is what the flags say, and what the trail says where they don't.
func (c *planCommand) load(ctx context.Context, w *World) (doctor.Load, error) {
	l := doctor.Load{Panels: float64(c.Panels), Peak: c.Peak, Copies: float64(c.Copies), LineBytes: float64(c.Bytes)}
	switch {
	case c.Panels < 0 || c.Panels > 1e8:
		return l, usage("--panels %d: want a number of panels, or 0 to count the trail's logs", c.Panels)
	case c.Bytes < 0 || c.Bytes > 1<<20:
		return l, usage("--bytes %d: want the length of a line, or 0 to measure the trail's", c.Bytes)
	case !(c.Peak >= 1 && c.Peak <= 1e6):
		return l, usage("--peak %g: want a number from 1 on: how many times the average the busiest second has", c.Peak)
	case c.Copies < 1 || c.Copies > 100:
		return l, usage("--replication %d: want Loki's replication_factor, 1 or 3", c.Copies)
	}
	if c.Events == "" {
		return l, c.ask(ctx, w, &l)
	}
	var err error
	if l.PerDay, err = parseRate(c.Events); err != nil {
		return l, usage("--events: %w", err)
	}
	if l.Panels == 0 {
		l.Panels = 1
	}
	if l.LineBytes == 0 {
		l.LineBytes = doctor.DefaultLineBytes
	}
	return l, nil
}

// ask learns from the trail what the flags don't say.
func (c *planCommand) ask(ctx context.Context, w *World, l *doctor.Load) error {
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	asking, cancel := (&Range{Timeout: c.Timeout}).within(ctx)
	defer cancel()
	const days = 7
	now := w.Now().Truncate(time.Millisecond)
	week := trail.Window{From: now.Add(-days * 24 * time.Hour), To: now}
	logs, err := store.Numbers(asking, week)
	if err != nil {
		return failed(asking, "counting the events of the last week", err)
	}
	for i := range logs {
		l.PerDay += float64(logs[i].Events) / days
	}
	if l.PerDay == 0 {
		return usage("the trail has no events within the last week; give --events")
	}
	if l.Panels == 0 {
		l.Panels = float64(len(logs))
	}
	if l.LineBytes > 0 {
		return nil
	}
	const most = 1000
	bytes, n := 0, 0
	for entry, err := range store.ReadLog(asking, trail.LogRead{Window: week, Backward: true, Batch: most}) {
		if err != nil {
			return failed(asking, "measuring the newest events", err)
		}
		bytes += len(entry.Line)
		if n++; n == most {
			break
		}
	}
	if l.LineBytes = doctor.DefaultLineBytes; n > 0 {
		l.LineBytes = math.Ceil(float64(bytes) / float64(n))
	}
	return nil
}

// rateUnits are the times that a rate can be about.
var rateUnits = []string{"s", "min", "h", "d"}

// parseRate reads a rate, such as 200/s, as events a day.
func parseRate(s string) (perDay float64, err error) {
	number, unit, _ := strings.Cut(s, "/")
	i := slices.Index(rateUnits, unit)
	n, err := strconv.ParseFloat(number, 64)
	if i < 0 || err != nil {
		return 0, fmt.Errorf("%q is no rate; want a number and s, min, h or d, such as 200/s or 5000/d", s)
	}
	perDay = n * []float64{86400, 1440, 24, 1}[i]
	if !(perDay > 0 && perDay <= 1e13) {
		return 0, fmt.Errorf("%q is out of range; want more than 0 and at most 1e8/s", s)
	}
	return perDay, nil
}

func (c *planCommand) print(w *World, p *doctor.Plan) {
	colour := c.palette(w)
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%s  %s\n", colour.paint(dim, pad(name, 11)), fmt.Sprintf(format, args...))
	}
	line("events", "%s a day, %s a second on average, %s in the busiest; %s each", amount(p.EventsPerDay), amount(p.EventsPerDay/86400), amount(p.PeakEvents), formatBytes(int64(p.LineBytes)))
	line("panels", "%s, each a log and a stream; %s events a day each", amount(p.Panels), amount(p.EventsPerDay/p.Panels))
	line("pushes", "%s a second in the busiest: %s of Loki's cores; up to %s connections to its gateway", amount(p.PeakPushes), amount(p.PeakCores), amount(p.Connections))
	line("outage", "%s of Loki: %s events wait, %s in all spools", c.Outage, amount(p.Backlog), formatBytes(p.SpoolBytes))
	line("spools", "a limit of %s each, twice that; the default of 1 GiB lasts %s", formatBytes(p.Limit), lasting(p.DefaultLasts))
	line("draining", "takes one of Loki's cores %v, where no limit slows it down; doctor says whether one does", p.Drain)
	line("ingesters", "%s of memory and %s of write-ahead log%s", formatBytes(p.Memory), formatBytes(p.WAL), together(p.Copies))
	line("chunks", "%s a day, %s events in each", amount(p.ChunksPerDay), amount(p.ChunkEvents))
	line("store", "%s chunks when the trail is %s old: %s in a bucket or %s on a disk, and an index of %s", amount(p.Chunks), c.Keep, formatBytes(p.Bytes), formatBytes(p.Disk), formatBytes(p.Index))
	if len(p.Set) == 0 {
		line("set", "nothing: what deploy/loki sets is enough")
	}
	for i, d := range p.Set {
		line([]string{"set", ""}[min(i, 1)], "%s: %s instead of %s", colour.paint(bold, d.Setting), d.Value, d.Shipped)
		line("", "  %s", d.Why)
	}
	fmt.Fprint(w.Stdout, b.String())
}

func together(copies float64) string {
	if copies > 1 {
		return fmt.Sprintf(", all ingesters together, %.0f copies of each event", copies)
	}
	return ""
}

// amount is a number in digits that mean something.
func amount(n float64) string {
	switch {
	case n >= 1e10:
		return fmt.Sprintf("%.3g", n)
	case n >= 100 || n == math.Trunc(n):
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.2g", n)
}

// lasting is a long time.
func lasting(d time.Duration) string {
	if days := d.Hours() / 24; days >= 2 {
		return fmt.Sprintf("%.0f days", days)
	}
	return d.String()
}
