package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

type spoolCommand struct {
	Stat spoolStatCommand `cmd:"" help:"Say what a spool holds, and how much of it is delivered."`
	Ls   spoolLsCommand   `cmd:"" help:"List the events in a spool."`
	Show spoolShowCommand `cmd:"" help:"Show everything of one event in a spool."`
	Cat  spoolCatCommand  `cmd:"" help:"Print the events' lines."`
}

// SpoolDir names a spool. Nothing in it is changed, and who has it is not held up.
// One that is encrypted is read with the key that the environment names, as the
// exporter does.
type SpoolDir struct {
	Dir string `arg:"" optional:"" type:"path" help:"The spool's folder. Default: $$ADMINSESSIONS_SPOOL_DIR."`
}

func (d *SpoolDir) dir(w *World) (string, error) {
	if d.Dir != "" {
		return d.Dir, nil
	}
	if dir := w.Getenv("ADMINSESSIONS_SPOOL_DIR"); dir != "" {
		return dir, nil
	}
	return "", usage("which spool? give its folder, or set ADMINSESSIONS_SPOOL_DIR")
}

func (d *SpoolDir) open(w *World) (*spool.View, error) {
	dir, err := d.dir(w)
	if err != nil {
		return nil, err
	}
	keys, err := spool.KeysFromEnvironment(w.Getenv)
	if err != nil {
		return nil, usage("the spool's key: %w", err)
	}
	v, err := spool.OpenReadOnly(dir, keys...)
	if err != nil {
		return nil, usage("opening the spool to look at: %w", err)
	}
	return v, nil
}

// spooledEvent is an event in a spool.
type spooledEvent struct {
	trail.Event
	number    uint64
	delivered bool
}

// eventOf reads a record. What can't be read is an event of which nothing is known
// but its bytes.
func eventOf(rec *spool.Record, acked uint64) spooledEvent {
	e := spooledEvent{number: rec.Seq, delivered: rec.Seq <= acked}
	e.Nanos, e.Sequence = rec.Time, rec.Seq
	labels, line, err := spooled.Split(rec.Payload)
	if err != nil {
		line = rec.Payload
	}
	e.Labels, e.Line = spooled.Labels(labels), string(line)
	parsed, perr := adminsessions.ParseLine(e.Line)
	if e.Unreadable = err != nil || perr != nil; !e.Unreadable {
		e.Event.Event = parsed
	}
	e.Sequence = rec.Seq
	e.Time = unixNano(rec.Origin)
	return e
}

// each calls f for each event of the spool, and tells of damage on standard error.
func each(ctx context.Context, w *World, v *spool.View, f func(*spooledEvent) (more bool, err error)) error {
	for rec, err := range v.Records() {
		if ctx.Err() != nil {
			return failed(ctx, "reading the spool", ctx.Err())
		}
		if damage, ok := errors.AsType[*spool.DamageError](err); ok {
			fmt.Fprintln(w.Stderr, "damage:", damage.Damage)
			continue
		}
		if err != nil {
			return failed(ctx, "reading the spool", err)
		}
		e := eventOf(&rec, v.Acked())
		more, err := f(&e)
		if err != nil {
			return failed(ctx, "printing", err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

type spoolLsCommand struct {
	SpoolDir
	Waiting bool `help:"Only events that are not delivered yet."`
	Output
}

// Run lists events.
func (c *spoolLsCommand) Run(ctx context.Context, w *World) error {
	v, err := c.open(w)
	if err != nil {
		return err
	}
	colour := c.palette(w)
	r := &rows{w: w.Stdout, colour: colour, zone: c.zone()}
	n := 0
	err = each(ctx, w, v, func(e *spooledEvent) (bool, error) {
		if c.Waiting && e.delivered {
			return true, nil
		}
		n++
		if c.JSON {
			return true, newEncoder(w.Stdout).Encode(jsonOf(e))
		}
		mark := colour.paint(orange, "waiting  ")
		if e.delivered {
			mark = colour.paint(dim, "delivered")
		}
		if _, err := fmt.Fprintf(w.Stdout, "%8d  %s  ", e.number, mark); err != nil {
			return false, err
		}
		return true, r.write(&e.Event)
	})
	if err == nil && n == 0 {
		fmt.Fprintln(w.Stderr, "nothing there")
		return nothing()
	}
	return err
}

// spooledJSON is an event in a spool as JSON.
type spooledJSON struct {
	Number    uint64 `json:"number"`
	Delivered bool   `json:"delivered"`
	export.Event
}

func jsonOf(e *spooledEvent) spooledJSON {
	return spooledJSON{e.number, e.delivered, export.EventOf(&e.Event)}
}

type spoolShowCommand struct {
	Number uint64 `arg:"" help:"The event's number in its log: seq."`
	SpoolDir
	Output
}

// Run shows one event.
func (c *spoolShowCommand) Run(ctx context.Context, w *World) error {
	v, err := c.open(w)
	if err != nil {
		return err
	}
	found := false
	err = each(ctx, w, v, func(e *spooledEvent) (bool, error) {
		if e.number != c.Number {
			return e.number < c.Number, nil
		}
		found = true
		if c.JSON {
			return false, document(w.Stdout, jsonOf(e))
		}
		return false, (&rows{w: w.Stdout, colour: c.palette(w), zone: c.zone()}).details(&e.Event)
	})
	if err == nil && !found {
		fmt.Fprintf(w.Stderr, "event %d is not in the spool: it is delivered and removed, was refused, or is not recorded yet; spool stat tells\n", c.Number)
		return nothing()
	}
	return err
}

type spoolCatCommand struct {
	SpoolDir
	Waiting bool `help:"Only events that are not delivered yet."`
}

// Run prints lines.
func (c *spoolCatCommand) Run(ctx context.Context, w *World) error {
	v, err := c.open(w)
	if err != nil {
		return err
	}
	n := 0
	err = each(ctx, w, v, func(e *spooledEvent) (bool, error) {
		if c.Waiting && e.delivered {
			return true, nil
		}
		n++
		// The one control character of a line is the TAB between its parts.
		parts := strings.Split(e.Line, "\t")
		for i := range parts {
			parts[i] = visible(parts[i])
		}
		_, err := fmt.Fprintf(w.Stdout, "%s\tseq=%d\n", strings.Join(parts, "\t"), e.number)
		return true, err
	})
	if err == nil && n == 0 {
		fmt.Fprintln(w.Stderr, "nothing there")
		return nothing()
	}
	return err
}

// spoolStat is what spool stat says.
type spoolStat struct {
	Dir         string `json:"dir"`
	LogID       string `json:"log_id"`
	Predecessor string `json:"predecessor,omitempty"`
	InUse       bool   `json:"in_use"`
	Holder      string `json:"holder,omitempty"`

	Segments  int    `json:"segments"`
	Bytes     int64  `json:"bytes"`
	Delivered uint64 `json:"delivered_up_to"`
	Highest   uint64 `json:"highest_number"`
	Events    uint64 `json:"events"`
	Waiting   uint64 `json:"waiting"`
	Oldest    string `json:"oldest_waiting,omitempty"`
	Newest    string `json:"newest,omitempty"`

	Damaged       int      `json:"damaged_places"`
	DamagedEvents uint64   `json:"damaged_events"`
	SetAside      []string `json:"set_aside,omitempty"`
	Quarantined   int      `json:"quarantined"`
	Retrying      int      `json:"retrying"`
}

type spoolStatCommand struct {
	SpoolDir
	Output
}

// Run says what a spool holds. Damage ends it with [StatusNothing].
func (c *spoolStatCommand) Run(ctx context.Context, w *World) error {
	dir, err := c.dir(w)
	if err != nil {
		return err
	}
	v, err := c.open(w)
	if err != nil {
		return err
	}
	s, err := statOf(ctx, dir, v)
	if err != nil {
		return failed(ctx, "reading the spool", err)
	}
	if c.JSON {
		err = document(w.Stdout, s)
	} else {
		err = c.print(w, &s)
	}
	if err == nil && (s.Damaged > 0 || len(s.SetAside) > 0 || s.Quarantined > 0) {
		return nothing()
	}
	return err
}

func statOf(ctx context.Context, dir string, v *spool.View) (spoolStat, error) {
	state, err := v.State()
	if err != nil {
		return spoolStat{}, err
	}
	s := spoolStat{Dir: dir, LogID: state.ID, Predecessor: state.Predecessor, InUse: !state.Closed, Holder: state.Holder,
		Segments: len(state.Segments), Delivered: state.Acked, Highest: state.Highest}
	for _, f := range state.Segments {
		s.Bytes += f.Bytes
	}
	for _, f := range state.SetAside {
		s.SetAside = append(s.SetAside, f.Name)
		s.Bytes += f.Bytes
	}
	for rec, err := range v.Records() {
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		if damage, ok := errors.AsType[*spool.DamageError](err); ok {
			s.Damaged++
			s.DamagedEvents += damage.Records
			continue
		}
		if err != nil {
			return s, err
		}
		s.Events++
		s.Highest = max(s.Highest, rec.Seq)
		s.Newest = formatTime(unixNano(rec.Origin))
		if rec.Seq > s.Delivered {
			if s.Waiting++; s.Waiting == 1 {
				s.Oldest = s.Newest
			}
		}
	}
	q, err := readQuarantine(dir, nil)
	if err != nil && !os.IsNotExist(err) {
		return s, err
	}
	for _, e := range q {
		if e.file == spooled.QuarantineFile {
			s.Quarantined++
		} else {
			s.Retrying++
		}
	}
	return s, nil
}

func (c *spoolStatCommand) print(w *World, s *spoolStat) error {
	colour := c.palette(w)
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%s  %s\n", colour.paint(dim, pad(name, 12)), fmt.Sprintf(format, args...))
	}
	line("folder", "%s", s.Dir)
	line("log", "%s", s.LogID)
	if s.Predecessor != "" {
		line("copy of", "%s", s.Predecessor)
	}
	switch {
	case s.InUse && s.Holder != "":
		line("in use", "by %s, unless that was killed", visible(s.Holder))
	case s.InUse:
		line("in use", "by a process that has not said who it is, or was killed")
	default:
		line("in use", "no; it was closed")
	}
	line("files", "%d, %s", s.Segments, formatBytes(s.Bytes))
	line("delivered", "up to %d of %d", s.Delivered, s.Highest)
	if s.Waiting == 0 {
		line("waiting", "%s", colour.paint(green, "nothing"))
	} else {
		line("waiting", "%s, the oldest of %s", colour.paint(orange, plural(s.Waiting, "event")), s.Oldest)
	}
	if s.Damaged > 0 {
		line("damage", "%s", colour.paint(red, fmt.Sprintf("%d places, at most %s lost", s.Damaged, plural(s.DamagedEvents, "event"))))
	}
	if len(s.SetAside) > 0 {
		line("set aside", "%s", colour.paint(red, strings.Join(s.SetAside, ", ")))
	}
	if s.Quarantined > 0 {
		line("quarantine", "%s", colour.paint(red, plural(uint64(s.Quarantined), "event")+": see adminsessions quarantine ls"))
	}
	if s.Retrying > 0 {
		line("retried", "%s from quarantine on the way again", plural(uint64(s.Retrying), "event"))
	}
	_, err := fmt.Fprint(w.Stdout, b.String())
	return err
}
