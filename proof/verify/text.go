package verify

import (
	"fmt"
	"strings"
	"time"
)

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "complete: %s, unaltered: %s", r.Complete, r.Unaltered)
	if !r.UpTo.IsZero() {
		fmt.Fprintf(&b, ", verified up to %s", stamp(r.UpTo))
	}
	fmt.Fprintf(&b, "\n%s, %s agree, %s\n", count(r.Entries, "entry", "entries"), count(r.Checkpoints, "checkpoint", "checkpoints"), count(uint64(len(r.Logs)), "log", "logs"))
	for i := range r.Logs {
		r.Logs[i].text(&b)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "\nnote: %s\n", p)
	}
	return b.String()
}

// String is the report in a line.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Complete, r.Unaltered)
	for _, l := range r.Logs {
		fmt.Fprintf(&b, "; %s %d-%d", l.ID, l.First, l.Last)
		brief(&b, "missing", l.Missing)
		brief(&b, "altered", l.Altered)
		brief(&b, "doubled", l.Doubled)
		brief(&b, "forks", l.Forks)
		brief(&b, "declared", l.Declared)
		brief(&b, "unjudged", l.Unjudged)
		for _, a := range l.Accepted {
			fmt.Fprintf(&b, " accepted %s %d-%d", a.Kind, a.From, a.To)
		}
		for _, e := range l.Erased {
			fmt.Fprintf(&b, " erased %d-%d by %s %v", e.From, e.To, e.By, e.Proved)
		}
		if n := len(l.Foreign); n > 0 {
			fmt.Fprintf(&b, " foreign %d", n)
		}
	}
	return b.String()
}

func brief(b *strings.Builder, name string, spans []Span) {
	for i, s := range spans {
		if i == 0 {
			b.WriteString(" " + name)
		}
		fmt.Fprintf(b, " %d-%d", s.From, s.To)
	}
}

func (l *Log) text(b *strings.Builder) {
	fmt.Fprintf(b, "\nlog %s", l.ID)
	if len(l.Services) > 0 {
		fmt.Fprintf(b, " (%s on %s)", strings.Join(l.Services, ", "), strings.Join(l.Instances, ", "))
	}
	b.WriteByte('\n')
	switch {
	case l.Last == 0 && l.resumed > 0:
		fmt.Fprintf(b, "  nothing to judge behind event %d: complete %s, unaltered %s\n", l.resumed, l.Complete, l.Unaltered)
	case l.Last == 0:
		fmt.Fprintf(b, "  nothing could be judged: complete %s, unaltered %s\n", l.Complete, l.Unaltered)
	default:
		fmt.Fprintf(b, "  events %d-%d: complete %s, unaltered %s\n", l.First, l.Last, l.Complete, l.Unaltered)
	}
	spans(b, "MISSING", l.Missing)
	spans(b, "ALTERED", l.Altered)
	spans(b, "DOUBLED", l.Doubled)
	spans(b, "FORKED", l.Forks)
	for _, a := range l.Accepted {
		spans(b, "accepted: "+a.Kind, []Span{a.Span})
		fmt.Fprintf(b, "    because %s\n", a.Reason)
	}
	spans(b, "declared missing", l.Declared)
	for _, e := range l.Erased {
		proved := "proved"
		if !e.Proved {
			proved = "not proved"
		}
		fmt.Fprintf(b, "  erased %s by event %s, %s\n", numbers(e.From, e.To), e.By, proved)
	}
	spans(b, "not judged", l.Unjudged)
	for _, e := range l.Foreign {
		fmt.Fprintf(b, "  FOREIGN entry of %s: %s: %q\n", stamp(e.Time), e.Why, e.Line)
	}
	if l.Omitted > 0 {
		fmt.Fprintf(b, "  and %d more\n", l.Omitted)
	}
	for _, n := range l.Notes {
		fmt.Fprintf(b, "  NOTE: %s\n", n)
	}
	if l.Predecessor != "" {
		fmt.Fprintf(b, "  takes the place of log %s\n", l.Predecessor)
	}
	for _, a := range l.Anchors {
		fmt.Fprintf(b, "  %s: %s, the last about %s, %s\n", a.Place, count(uint64(a.Checkpoints), "checkpoint", "checkpoints"), count(a.Size, "event", "events"), stamp(a.Time))
	}
}

func spans(b *strings.Builder, what string, list []Span) {
	for _, s := range list {
		fmt.Fprintf(b, "  %s %s", what, numbers(s.From, s.To))
		if s.Why != "" {
			fmt.Fprintf(b, ": %s", s.Why)
		}
		switch {
		case !s.Before.IsZero() && !s.After.IsZero():
			fmt.Fprintf(b, ", between %s and %s", stamp(s.Before), stamp(s.After))
		case !s.Before.IsZero():
			fmt.Fprintf(b, ", after %s", stamp(s.Before))
		case !s.After.IsZero():
			fmt.Fprintf(b, ", before %s", stamp(s.After))
		}
		if s.Finding != "" {
			fmt.Fprintf(b, "; finding %s", s.Finding)
		}
		b.WriteByte('\n')
	}
}

func numbers(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("event %d", from)
	}
	return fmt.Sprintf("events %d-%d (%d)", from, to, to-from+1)
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
