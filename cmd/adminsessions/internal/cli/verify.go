package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
	"github.com/adminsessions/adminsessions/proof/verify"
)

type verifyCommand struct {
	Keys    []string      `name:"key" sep:"none" placeholder:"KEY" env:"ADMINSESSIONS_PROOF_PUBLIC_KEYS" help:"Public key that the trail is signed with (name+hash+key), or a file with some; may be repeated. Without one only the numbers are looked at, which shows what is missing between the first and the last event and nothing of what was altered. Default: $$ADMINSESSIONS_PROOF_PUBLIC_KEYS."`
	Anchors []string      `name:"anchor" sep:"none" placeholder:"PLACE" help:"Where checkpoints are kept apart from the trail: a file, a folder or an URL; may be repeated."`
	Logs    []string      `name:"log" sep:"none" placeholder:"ID" help:"Only this log (audit_log_id); may be repeated."`
	Every   time.Duration `placeholder:"DURATION" help:"Verify again and again, each time from the last checkpoint that was proved on."`
	Range
	Output
	Trail
}

// Run verifies. It ends with [StatusNothing] unless the trail is proved to be
// complete and unaltered.
func (c *verifyCommand) Run(ctx context.Context, w *World) error {
	if c.Every != 0 && (c.Every < time.Second || c.Every > 7*24*time.Hour) {
		return usage("--every %v: want 1s to 168h", c.Every)
	}
	if len(c.Keys) == 0 {
		if len(c.Anchors) > 0 || len(c.Logs) > 0 || c.Every > 0 {
			return usage("--anchor, --log and --every need --key: without a public key no checkpoint can be believed")
		}
		return c.numbers(ctx, w)
	}
	config, err := c.config(w)
	if err != nil {
		return err
	}
	proved, err := c.once(ctx, w, config)
	if c.Every == 0 {
		if err == nil && !proved {
			return nothing()
		}
		return err
	}
	return c.again(ctx, w, config, proved, err)
}

// again verifies until it is interrupted.
func (c *verifyCommand) again(ctx context.Context, w *World, config *verify.Config, proved bool, err error) error {
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	wrong := false
	for {
		wrong = wrong || err == nil && !proved
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(w.Stderr, "adminsessions: %v\n", err)
		}
		select {
		case <-ctx.Done():
			if wrong {
				return nothing()
			}
			return nil
		case <-tick.C:
		}
		if len(config.Start) > 0 {
			config.To = time.Time{} // from what is proved up to now
		}
		proved, err = c.once(ctx, w, config)
	}
}

func (c *verifyCommand) config(w *World) (*verify.Config, error) {
	window, err := c.window(w, c.zone())
	if err != nil {
		return nil, err
	}
	getenv, err := c.environment(w)
	if err != nil {
		return nil, err
	}
	from, err := loki.Complete(c.settings(), getenv)
	if err != nil {
		return nil, usage("how to reach Loki: %w", oneLine(err))
	}
	config := &verify.Config{Loki: from, Services: c.Services, Environments: c.Environments, Logs: c.Logs, From: window.From, To: window.To, Now: w.Now}
	if c.To == "now" {
		config.To = time.Time{}
	}
	for _, k := range c.Keys {
		keys, err := publicKeys(k)
		if err != nil {
			return nil, usage("--key: %w", err)
		}
		config.Keys = append(config.Keys, keys...)
	}
	for _, place := range c.Anchors {
		archive, err := anchor.Open(place)
		if err != nil {
			return nil, usage("--anchor: %w", err)
		}
		config.Anchors = append(config.Anchors, archive)
	}
	return config, nil
}

// publicKeys are keys as they are given: themselves, or in a file, which may be the
// one with the private keys.
func publicKeys(s string) (keys []string, err error) {
	if strings.Count(s, "+") >= 2 && !strings.ContainsAny(s, "/\\\n") {
		return []string{s}, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, err
	}
	if private, err := proof.ReadKeys(string(b)); err == nil {
		for _, k := range private {
			keys = append(keys, k.Public())
		}
		return keys, nil
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key", s)
	}
	return keys, nil
}

// once verifies, prints what was found, and notes where the next verification
// begins.
func (c *verifyCommand) once(ctx context.Context, w *World, config *verify.Config) (proved bool, err error) {
	asking, cancel := c.within(ctx)
	defer cancel()
	told := newProgress(w)
	config.Progress = func(p verify.Progress) {
		told.tell("log %d of %d, %d events, up to %s", p.Done+1, p.Logs, p.Entries, p.At.In(c.zone()).Format("2006-01-02 15:04"))
	}
	r, err := verify.Run(asking, *config)
	told.clear()
	if err != nil {
		if _, ok := errors.AsType[*loki.Error](err); !ok && asking.Err() == nil && strings.HasPrefix(err.Error(), "configuration") {
			return false, usage("%w", oneLine(err))
		}
		return false, failed(asking, "verifying the trail", err)
	}
	if c.JSON {
		err = c.printJSON(w, r)
	} else {
		_, err = fmt.Fprintln(w.Stdout, visibleLines(r.Text()))
	}
	if err != nil {
		return false, failed(ctx, "printing", err)
	}
	proved = r.Complete == verify.Yes && r.Unaltered == verify.Yes
	if proved {
		config.Start = config.Start[:0]
		for i := range r.Logs {
			if signed := r.Logs[i].Checkpoint; signed != "" {
				config.Start = append(config.Start, signed)
			}
		}
	}
	return proved, nil
}

func (c *verifyCommand) printJSON(w *World, r *verify.Report) error {
	if c.Every > 0 {
		return newEncoder(w.Stdout).Encode(r)
	}
	return document(w.Stdout, r)
}

// visibleLines is a text of several lines in which a terminal finds no command.
func visibleLines(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.ReplaceAll(visible(strings.ReplaceAll(lines[i], "\t", "  ")), "\t", " ")
	}
	return strings.Join(lines, "\n")
}

// numbers looks for gaps in the numbers of each log: all that can be done without a
// key.
func (c *verifyCommand) numbers(ctx context.Context, w *World) error {
	window, err := c.window(w, c.zone())
	if err != nil {
		return err
	}
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	asking, cancel := c.within(ctx)
	defer cancel()
	logs, err := store.Numbers(asking, window)
	if err != nil {
		return failed(asking, "asking for the numbers of the trail", err)
	}
	wrong := false
	list := make([]logJSON, len(logs))
	for i := range logs {
		n := &logs[i]
		list[i] = logJSON{n.Log, n.Service, n.Instance, n.First, n.Last, n.Events, n.Missing()}
		wrong = wrong || n.Missing() != 0
	}
	if c.JSON {
		err = document(w.Stdout, struct {
			Verified bool      `json:"verified"` // false: numbers alone prove nothing
			Logs     []logJSON `json:"logs"`
		}{false, list})
	} else {
		err = printNumbers(w, c.palette(w), logs)
	}
	switch {
	case err != nil:
		return failed(ctx, "printing", err)
	case wrong, len(logs) == 0:
		return nothing()
	}
	return nil
}

// logJSON are a log's numbers as JSON.
type logJSON struct {
	ID       string `json:"id"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Entries  int64  `json:"entries"`
	Missing  int64  `json:"missing"`
}

func printNumbers(w *World, colour palette, logs []trail.LogNumbers) error {
	for i := range logs {
		n := &logs[i]
		state := colour.paint(green, "no gap")
		if missing := n.Missing(); missing > 0 {
			state = colour.paint(red, fmt.Sprintf("%d missing", missing))
		} else if missing < 0 {
			state = colour.paint(orange, fmt.Sprintf("%d counted twice, which can hide what is missing", -missing))
		}
		if _, err := fmt.Fprintf(w.Stdout, "%s  %s %s  numbers %d to %d: %s\n", n.Log, visible(n.Service), visible(n.Instance), n.First, n.Last, state); err != nil {
			return err
		}
	}
	if len(logs) == 0 {
		fmt.Fprintln(w.Stderr, "no numbered events there")
	}
	fmt.Fprintln(w.Stderr, "no --key was given: numbers show gaps, but prove neither the ends of a log nor that nothing was altered")
	return nil
}
