package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

type whoCommand struct {
	Within  string        `default:"1h" placeholder:"DURATION" help:"Who was active within this time: 15m, 24h, 7d. Default: ${default}."`
	Timeout time.Duration `default:"2m" placeholder:"DURATION" help:"How long to ask Loki at most; 0 is no limit. Default: ${default}."`
	Output
	Trail
}

// Run lists who is online.
func (c *whoCommand) Run(ctx context.Context, w *World) error {
	within, err := parseAgo(c.Within)
	if err != nil {
		return usage("--within: %w", err)
	}
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	ctx, cancel := (&Range{Timeout: c.Timeout}).within(ctx)
	defer cancel()
	now := w.Now()
	online, err := store.Online(ctx, trail.Window{From: now.Add(-within), To: now.Add(trail.Ahead)})
	if err != nil {
		return failed(ctx, "asking who is active", err)
	}
	if c.JSON {
		err = newEncoder(w.Stdout).Encode(struct {
			Online []export.Presence `json:"online"`
		}{export.Presences(online)})
	} else {
		err = c.print(w, online, now)
	}
	if err == nil && len(online) == 0 {
		fmt.Fprintln(w.Stderr, "nobody")
		return nothing()
	}
	return err
}

func (c *whoCommand) print(w *World, online []trail.Presence, now time.Time) error {
	colour := c.palette(w)
	for _, p := range online {
		ago := max(0, now.Sub(p.LastSeen)).Round(time.Second)
		_, err := fmt.Fprintf(w.Stdout, "%s  %s  %s  %s\n", colour.paint(bold, pad(nameOf(p.User), widthAdmin)),
			pad(visible(p.User.Email), 28), pad(visible(p.Address), widthAddress),
			colour.paint(dim, p.LastSeen.In(c.zone()).Format("2006-01-02 15:04:05")+", "+ago.String()+" ago"))
		if err != nil {
			return err
		}
	}
	return nil
}
