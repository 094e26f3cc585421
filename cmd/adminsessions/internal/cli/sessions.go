package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

type sessionsCommand struct {
	Query
	Range
	Output
	Trail
}

// Run lists sessions, the most recently active first.
func (c *sessionsCommand) Run(ctx context.Context, w *World) error {
	store, f, window, err := question(w, &c.Query, &c.Range, c.zone(), &c.Trail)
	if err != nil {
		return err
	}
	asking, cancel := c.within(ctx)
	defer cancel()
	found, err := store.Sessions(asking, f, window)
	if err != nil {
		return failed(asking, "asking for sessions", err)
	}
	if c.JSON {
		err = newEncoder(w.Stdout).Encode(sessionsJSON(&found))
	} else {
		err = c.print(w, &found)
	}
	switch {
	case err != nil:
		return failed(ctx, "printing", err)
	case len(found.List) == 0:
		fmt.Fprintln(w.Stderr, "nothing found")
		return nothing()
	}
	return nil
}

func (c *sessionsCommand) print(w *World, found *trail.Sessions) error {
	colour := c.palette(w)
	for i := range found.List {
		s := &found.List[i]
		who, types := "-", make([]string, len(s.Types))
		if len(s.Admins) > 0 {
			who = nameOf(s.Admins[0])
		}
		if len(s.Admins) > 1 {
			who += colour.paint(red, fmt.Sprintf(" and %d more", len(s.Admins)-1))
		}
		for j, t := range s.Types {
			types[j] = colour.paint(typeColour(t), visible(string(t)))
		}
		_, err := fmt.Fprintf(w.Stdout, "%s  %s  %s  %s  %s  %s  %s\n",
			visible(s.ID), colour.paint(bold, pad(who, widthAdmin)), pad(visible(some(s.Addresses)), widthAddress),
			colour.paint(dim, s.First.In(c.zone()).Format("2006-01-02 15:04:05")+" to "+s.Last.In(c.zone()).Format("2006-01-02 15:04:05")),
			padLeft(fmt.Sprint(s.Requests), 6), strings.Join(types, " "), colour.paint(dim, visible(some(s.Agents))))
		if err != nil {
			return err
		}
	}
	if !found.Reached.IsZero() {
		fmt.Fprintf(w.Stderr, "looked back to %s; --to %s goes on from there\n", found.Reached.In(c.zone()).Format(time.DateTime), formatTime(found.Reached))
	}
	return nil
}

// some is the first of a list, and how many more there are.
func some(list []string) string {
	switch len(list) {
	case 0:
		return "-"
	case 1:
		return list[0]
	}
	return fmt.Sprintf("%s and %d more", list[0], len(list)-1)
}

// sessionsJSON is what the page's API answers, too.
func sessionsJSON(found *trail.Sessions) any {
	answer := struct {
		Sessions []export.Session `json:"sessions"`
		Reached  *time.Time       `json:"reached,omitempty"`
	}{Sessions: export.Sessions(found.List)}
	if !found.Reached.IsZero() {
		t := found.Reached.UTC()
		answer.Reached = &t
	}
	return answer
}
