package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

type quarantineCommand struct {
	Ls    quarantineLsCommand    `cmd:"" help:"List the events that Loki has refused, and why."`
	Retry quarantineRetryCommand `cmd:"" help:"Have them delivered again, when the cause is removed."`
	Drop  quarantineDropCommand  `cmd:"" help:"Give events up for good."`
}

// droppingFile holds the quarantine while some of it is dropped.
const droppingFile = "quarantine.dropping.ndjson"

// quarantinedEvent is a line of one of the files.
type quarantinedEvent struct {
	spooled.Refused

	file string
	raw  []byte // the line of the file
	bad  error  // why it can't be read
}

// readQuarantine reads what is in quarantine, and what is on its way out of it.
// With the spool's keys what is encrypted can be read, too.
func readQuarantine(dir string, keys []*spool.Key) (events []quarantinedEvent, err error) {
	found := false
	for _, name := range []string{spooled.QuarantineFile, spooled.RetryFile, droppingFile} {
		more, err := readQuarantineFile(dir, name, keys)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		found = true
		events = append(events, more...)
	}
	if _, err := os.Stat(dir); err != nil && !found {
		return nil, err
	}
	return events, nil
}

func readQuarantineFile(dir, name string, keys []*spool.Key) (events []quarantinedEvent, err error) {
	f, err := spool.OpenPlain(filepath.Join(dir, name), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), spooled.MaxRefused)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e := quarantinedEvent{raw: bytes.Clone(lines.Bytes()), file: name}
		e.bad = json.Unmarshal(e.raw, &e.Refused)
		e.open(keys)
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, name), err)
	}
	return events, nil
}

// open decrypts what is encrypted, if there are keys. Without it is known when and
// why it was refused, and its number.
func (e *quarantinedEvent) open(keys []*spool.Key) {
	if len(keys) == 0 {
		return
	}
	if err := e.Open(keys); err != nil {
		e.Sealed, e.Answer = nil, "can't be decrypted: "+err.Error()
	}
}

type quarantineLsCommand struct {
	SpoolDir
	Output
}

// Run lists what is in quarantine. That there is something is a finding.
func (c *quarantineLsCommand) Run(w *World) error {
	dir, err := c.dir(w)
	if err != nil {
		return err
	}
	keys, err := spool.KeysFromEnvironment(w.Getenv)
	if err != nil {
		return usage("the spool's key: %w", err)
	}
	events, err := readQuarantine(dir, keys)
	if err != nil {
		return usage("reading the quarantine: %w", err)
	}
	colour := c.palette(w)
	for i := range events {
		e := &events[i]
		if c.JSON {
			if _, err := fmt.Fprintf(w.Stdout, "%s\n", e.raw); err != nil {
				return err
			}
			continue
		}
		if err := e.print(w, colour, c.zone()); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		fmt.Fprintln(w.Stderr, "nothing is in quarantine")
		return nil
	}
	return nothing()
}

func (e *quarantinedEvent) print(w *World, colour palette, zone *time.Location) error {
	if e.bad != nil {
		_, err := fmt.Fprintf(w.Stdout, "%s  a line that can't be read: %v\n", e.file, e.bad)
		return err
	}
	what := ""
	if ev, err := adminsessions.ParseLine(e.Line); err == nil {
		what = strings.Join(slices.DeleteFunc([]string{nameOf(ev.User), string(ev.Type), ev.Method, ev.Action, ev.URL}, func(s string) bool { return s == "" }), " ")
	}
	if len(e.Sealed) > 0 {
		what = "encrypted: set ADMINSESSIONS_SPOOL_KEY_FILE to read it"
	}
	state := ""
	if e.file != spooled.QuarantineFile {
		state = "  (" + strings.TrimSuffix(strings.TrimPrefix(e.file, "quarantine."), ".ndjson") + ")"
	}
	_, err := fmt.Fprintf(w.Stdout, "%8d  %s  %s  %s%s\n          %s\n", e.Sequence, unixNano(e.Time).In(zone).Format(time.DateTime),
		colour.paint(red, pad(visible(e.Reason), 9)), visible(what), state, colour.paint(dim, visible(e.Answer)))
	return err
}

type quarantineRetryCommand struct {
	SpoolDir
}

// Run renames the file, as docs/operations.md says. The exporter that has the
// spool begins within ten seconds.
func (c *quarantineRetryCommand) Run(w *World) error {
	dir, err := c.dir(w)
	if err != nil {
		return err
	}
	events, err := readQuarantineFile(dir, spooled.QuarantineFile, nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintln(w.Stderr, "nothing is in quarantine")
		return nothing()
	case err != nil:
		return usage("reading the quarantine: %w", err)
	}
	if err := renameNew(filepath.Join(dir, spooled.QuarantineFile), filepath.Join(dir, spooled.RetryFile)); errors.Is(err, fs.ErrExist) {
		return &statusError{StatusFailed, fmt.Errorf("%s is there: events are being delivered again already; wait until it disappears, the process that has the spool does that", filepath.Join(dir, spooled.RetryFile))}
	} else if err != nil {
		return &statusError{StatusFailed, fmt.Errorf("handing the events to the exporter: %w", err)}
	}
	fmt.Fprintf(w.Stderr, "%s will be delivered again by the process that has the spool, within ten seconds; what Loki refuses comes back\n", plural(uint64(len(events)), "event"))
	return nil
}

type quarantineDropCommand struct {
	Numbers []string `arg:"" name:"number" help:"The events' numbers, or all."`
	Dir     string   `name:"spool" type:"path" placeholder:"DIR" help:"The spool's folder. Default: $$ADMINSESSIONS_SPOOL_DIR."`
	Yes     bool     `help:"Do it. Without, only what would be dropped is printed."`
}

// Run drops events. They are printed as they stood in the file, so that they can
// be kept elsewhere.
func (c *quarantineDropCommand) Run(w *World) error {
	dir, err := (&SpoolDir{c.Dir}).dir(w)
	if err != nil {
		return err
	}
	chosen, err := chooserOf(c.Numbers)
	if err != nil {
		return err
	}
	events, err := readQuarantineFile(dir, spooled.QuarantineFile, nil)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(w.Stderr, "nothing is in quarantine")
		return nothing()
	}
	if err != nil {
		return usage("reading the quarantine: %w", err)
	}
	if !slices.ContainsFunc(events, chosen) {
		fmt.Fprintln(w.Stderr, "none of these is in quarantine")
		return nothing()
	}
	if !c.Yes {
		for i := range events {
			if chosen(events[i]) {
				fmt.Fprintf(w.Stdout, "%s\n", events[i].raw)
			}
		}
		fmt.Fprintln(w.Stderr, "nothing is dropped; --yes drops these events: they are in Loki never, and their numbers are a gap")
		return nil
	}
	if err := dropQuarantined(w, dir, chosen); err != nil {
		return &statusError{StatusFailed, fmt.Errorf("dropping events: %w", err)}
	}
	return nil
}

// chooserOf tells which events are meant.
func chooserOf(numbers []string) (func(quarantinedEvent) bool, error) {
	if slices.Equal(numbers, []string{"all"}) {
		return func(quarantinedEvent) bool { return true }, nil
	}
	wanted := map[uint64]bool{}
	for _, s := range numbers {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil || n == 0 {
			return nil, usage("%q is no event's number; want numbers as quarantine ls shows them, or all", s)
		}
		wanted[n] = true
	}
	return func(e quarantinedEvent) bool { return e.bad == nil && wanted[e.Sequence] }, nil
}

// dropQuarantined takes the file away from the exporter, which begins a new one
// when it needs it, and gives back what is kept. If it is broken off in between,
// nothing is lost: the file that was taken away is there.
func dropQuarantined(w *World, dir string, chosen func(quarantinedEvent) bool) error {
	taken := filepath.Join(dir, droppingFile)
	if err := renameNew(filepath.Join(dir, spooled.QuarantineFile), taken); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there: another drop was broken off; append it to %s and remove it", taken, spooled.QuarantineFile)
	} else if err != nil {
		return err
	}
	events, err := readQuarantineFile(dir, droppingFile, nil)
	if err != nil {
		return err
	}
	var kept []byte
	dropped := 0
	for i := range events {
		if !chosen(events[i]) {
			kept = append(append(kept, events[i].raw...), '\n')
			continue
		}
		dropped++
		if _, err := fmt.Fprintf(w.Stdout, "%s\n", events[i].raw); err != nil {
			return err
		}
	}
	if len(kept) > 0 {
		if err := putBack(dir, taken, kept); err != nil {
			return err
		}
	}
	if err := os.Remove(taken); err != nil {
		return err
	}
	fmt.Fprintf(w.Stderr, "%s dropped for good\n", plural(uint64(dropped), "event"))
	return nil
}

// putBack gives back what is kept: as the quarantine file, or at the end of the one
// that the exporter has begun meanwhile.
func putBack(dir, taken string, kept []byte) error {
	as, err := os.Stat(taken)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "quarantine.kept.*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := writeSynced(f, kept, as); err != nil {
		return err
	}
	name := filepath.Join(dir, spooled.QuarantineFile)
	err = renameNew(f.Name(), name)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	begun, err := spool.OpenPlain(name, os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return err
	}
	return writeSynced(begun, kept, as)
}

// writeSynced writes to a file, sees to its owner, and closes it.
func writeSynced(f *os.File, b []byte, as fs.FileInfo) error {
	_, err := f.Write(b)
	if err == nil {
		err = sameOwner(f, as)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
