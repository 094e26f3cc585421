package instrumentationtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// differences says what is not as wanted, or "".
func differences(want, got []adminsessions.Event) string {
	var b strings.Builder
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			fmt.Fprintf(&b, "%s not recorded:\n", place(i, len(want)))
			for _, l := range wanted(&want[i]) {
				b.WriteString("  " + l + "\n")
			}
		case i >= len(want):
			fmt.Fprintf(&b, "%s recorded, but not wanted:\n  + %s\n", place(i, len(got)), got[i].Line())
		default:
			if lines := compare(&want[i], &got[i]); len(lines) > 0 {
				fmt.Fprintf(&b, "%s is recorded otherwise (- wanted, + recorded):\n  %s\n  in the line %s\n",
					place(i, len(want)), strings.Join(lines, "\n  "), got[i].Line())
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func place(i, n int) string {
	if n == 1 {
		return "the event"
	}
	return fmt.Sprintf("event %d of %d", i+1, n)
}

// wanted are the fields of an event that are not empty.
func wanted(e *adminsessions.Event) []string {
	none := adminsessions.Event{Stage: e.Stage, StatusCode: -1}
	return compare(e, &none)
}

func compare(want, got *adminsessions.Event) (lines []string) {
	differs := func(name, want, got string) {
		if want != "" {
			lines = append(lines, "- "+name+" "+want)
		}
		if got != "" {
			lines = append(lines, "+ "+name+" "+got)
		}
	}
	for f := range adminsessions.Fields() {
		w := ""
		if isSet(&f, want) {
			w = f.Get(want)
		}
		if w == "" {
			continue
		}
		if g := f.Get(got); g != w {
			differs(cmp.Or(f.Name, f.Key), w, g)
		}
	}
	if !want.Time.IsZero() && !want.Time.Equal(got.Time) {
		differs("time", want.Time.String(), got.Time.String())
	}
	if want.Changes != nil {
		lines = append(lines, compareChanges(want.Changes, got.Changes)...)
	}
	for _, kv := range want.Attributes {
		found := ""
		for _, other := range got.Attributes {
			if other.Key == kv.Key {
				found = other.Value.String()
			}
		}
		if found != kv.Value.String() {
			differs("attr."+string(kv.Key), kv.Value.String(), found)
		}
	}
	return lines
}

// isSet reports whether a wanted event says something of a field: some fields
// have a value in every event.
func isSet(f *adminsessions.Field, e *adminsessions.Event) bool {
	switch f.Name {
	case "outcome":
		return e.Outcome != ""
	case "ms":
		return e.Duration != 0
	case "":
		return e.Stage != ""
	}
	return true
}

func compareChanges(want, got []adminsessions.Change) (lines []string) {
	for _, c := range want {
		if !slices.Contains(got, c) {
			lines = append(lines, "- changed "+changeText(c))
		}
	}
	for _, c := range got {
		if !slices.Contains(want, c) {
			lines = append(lines, "+ changed "+changeText(c))
		}
	}
	return lines
}

func changeText(c adminsessions.Change) string {
	return fmt.Sprintf("%s %s → %s", c.Field, cmp.Or(c.Old, "(nothing)"), cmp.Or(c.New, "(nothing)"))
}
