package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

// details writes everything that is known of an event, for people.
func (r *rows) details(e *trail.Event) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s  %s\n", r.colour.paint(dim, pad(name, 14)), value)
		}
	}
	title := cmp.Or(actOf(e), strings.TrimSpace(e.Method+" "+e.URL), string(e.Type), "not an event")
	fmt.Fprintln(&b, r.colour.paint(bold, visible(title)))
	line("time", e.Time.In(r.zone).Format(time.RFC3339Nano))
	for name, value := range export.Fields(e) {
		switch {
		case strings.HasPrefix(name, "was.") || strings.HasPrefix(name, "now."):
			continue
		case name == "note" || name == "checkpoint":
			for i, part := range strings.Split(value, "\n") {
				if i > 0 {
					name = ""
				}
				line(name, visible(part))
			}
			continue
		case name == "type":
			line(name, r.colour.paint(typeColour(e.Type), visible(value)))
		case name == "method":
			line(name, r.colour.paint(methodColour(e.Method), visible(value)))
		case name == "status", name == "outcome":
			line(name, r.colour.paint(statusColour(e), visible(value)))
		case name == "ms":
			line("duration", durationOf(e))
		default:
			line(visible(name), visible(value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		line(visible(name), visible(e.Labels[name]))
	}
	if len(e.Changes) > 0 {
		fmt.Fprintln(&b, r.colour.paint(dim, "  changes"))
	}
	for _, c := range e.Changes {
		fmt.Fprintf(&b, "    %s\n", visible(c.Field))
		if c.Old != "" {
			fmt.Fprintln(&b, r.colour.paint(red, "      − "+visible(c.Old)))
		}
		if c.New != "" {
			fmt.Fprintln(&b, r.colour.paint(green, "      + "+visible(c.New)))
		}
	}
	_, err := fmt.Fprintln(r.w, b.String())
	return err
}
