package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// trail is what one spool has delivered to Loki.
type trail struct {
	loki     *lokitest.Server
	service  string
	instance string
	since    time.Duration // how far back its entries reach
}

func newTrail(loki *lokitest.Server, instance string) trail {
	return trail{loki: loki, service: serviceName, instance: instance, since: time.Hour}
}

func (tr trail) selector() string {
	return fmt.Sprintf(`{service_name=%q, service_instance_id=%q}`, tr.service, tr.instance)
}

// expectation is what a test knows about a trail.
type expectation struct {
	accepted []string // request ids of events that RecordEvent has accepted
	// unknown is how many events may be there besides: their process was
	// killed before it could say that they were accepted.
	unknown int
	// missing says whether a sequence number is known not to be in Loki; nil
	// stands for none.
	missing func(seq uint64) bool
	// resent says that answers of Loki may have been lost.
	resent bool
	// clocks says that entries may have other times than in the spool.
	clocks bool
}

type entry struct {
	lokitest.Entry
	seq   uint64
	event adminsessions.Event
}

// verify reads the whole trail and fails the test for whatever is not as it
// should be.
func (tr trail) verify(t *testing.T, want expectation) {
	t.Helper()
	entries := tr.read(t)
	t.Logf("%d events accepted, %d in Loki", len(want.accepted), len(entries))
	if len(entries) == 0 {
		t.Fatal("the trail is empty")
	}
	tr.verifyOrder(t, entries, want)
	tr.verifyEvents(t, entries, want)
	tr.verifyCompleteness(t, entries, want)
	tr.verifyProof(t, entries, want)
}

// verifyProof verifies the log as an auditor does, with nothing but Loki and the
// public key.
func (tr trail) verifyProof(t *testing.T, entries []entry, want expectation) {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Config{
		Loki: adminsessions.Loki{URL: tr.loki.URL()}, Logs: []string{entries[0].Labels["audit_log_id"]}, Keys: []string{keys()[0].Public()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Complete == verify.No || report.Unaltered == verify.No || report.Complete == verify.Unknown && len(entries) > 2000 {
		t.Errorf("the verification says complete: %s, unaltered: %s; %+v", report.Complete, report.Unaltered, report.Logs)
	}
	for _, l := range report.Logs {
		t.Logf("verified %d to %d by %d checkpoints", l.First, l.Last, l.Checkpoints)
		for _, gap := range l.Declared {
			for n := gap.From; n <= gap.To; n++ {
				late := strings.HasPrefix(gap.Why, "quarantined") && slices.ContainsFunc(entries, func(e entry) bool { return e.seq == n })
				if !late && (want.missing == nil || !want.missing(n)) {
					t.Errorf("number %d is declared to be missing: %s", n, gap.Why)
				}
			}
		}
	}
}

// read returns the trail as log queries show it, in the order of sequence
// numbers.
func (tr trail) read(t *testing.T) []entry {
	t.Helper()
	found, err := tr.loki.Query(t.Context(), tr.selector(), lokitest.Last(tr.since))
	if err != nil {
		t.Fatal(err)
	}
	entries := make([]entry, len(found))
	for i, e := range found {
		ev, err := adminsessions.ParseLine(e.Line)
		if err != nil || ev.Sequence == 0 {
			t.Fatalf("entry %q at %s: %v", e.Line, e.Time, err)
		}
		if len(e.Metadata) > 0 {
			t.Errorf("entry %q has metadata %v", e.Line, e.Metadata)
		}
		if ev.Time.IsZero() {
			ev.Time = e.Time
		}
		entries[i] = entry{e, ev.Sequence, ev}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
	return entries
}

func (tr trail) verifyOrder(t *testing.T, entries []entry, want expectation) {
	t.Helper()
	const logID = "audit_log_id"
	id := entries[0].Labels[logID]
	if id == "" {
		t.Errorf("entry %d has no %s", entries[0].seq, logID)
	}
	report := limited(t)
	for i, e := range entries {
		if e.Labels[logID] != id {
			report("entry %d is of log %s, others of %s", e.seq, e.Labels[logID], id)
		}
		if i == 0 {
			continue
		}
		switch before := entries[i-1]; {
		case e.seq == before.seq:
			report("sequence number %d is there twice: at %s and %s, %q and %q", e.seq, before.Time, e.Time, before.Line, e.Line)
		case !e.Time.After(before.Time) && !want.clocks:
			report("number %d has time %d, number %d before it %d", e.seq, e.Time.UnixNano(), before.seq, before.Time.UnixNano())
		}
	}
	next := uint64(1)
	for _, e := range entries {
		for ; next < e.seq; next++ {
			if want.missing == nil || !want.missing(next) {
				report("sequence number %d is missing (before %q at %s)", next, e.event.RequestID, e.Time)
			}
		}
		if want.missing != nil && want.missing(e.seq) {
			report("sequence number %d is there, and should not be: %q", e.seq, e.Line)
		}
		next = max(next, e.seq+1)
	}
}

func (tr trail) verifyEvents(t *testing.T, entries []entry, want expectation) {
	t.Helper()
	report := limited(t)
	seen := make(map[string]uint64, len(entries))
	own := 0
	for _, e := range entries {
		if e.event.Type == adminsessions.Trail {
			own++
		}
		if other, ok := seen[e.event.RequestID]; ok {
			report("event %s is there twice, as %d and %d", e.event.RequestID, other, e.seq)
		}
		seen[e.event.RequestID] = e.seq
		if line := e.event.Line(); !strings.HasPrefix(e.Line, line+"\tseq=") {
			report("entry %d: the line is %q, read and written again %q", e.seq, e.Line, line)
		}
	}
	lost := 0
	for _, id := range want.accepted {
		if _, ok := seen[id]; !ok {
			lost++
			report("event %s was accepted and is not in Loki", id)
		}
	}
	if unknown := len(seen) - own - (len(want.accepted) - lost); unknown > want.unknown {
		report("%d events are in Loki that nobody accepted, at most %d can be", unknown, want.unknown)
	}
}

// verifyCompleteness asks Loki itself.
func (tr trail) verifyCompleteness(t *testing.T, entries []entry, want expectation) {
	t.Helper()
	first, last := entries[0].seq, entries[len(entries)-1].seq
	missing := int(last-first+1) - len(entries)

	const number = `| pattern "<_>\t<_>\tseq=<seq> <_>" | seq!=""`
	plain := tr.count(t, fmt.Sprintf(
		`max by (audit_log_id) (max_over_time(%[1]s %[3]s | unwrap seq [%[2]s]) by (audit_log_id))
		- min by (audit_log_id) (min_over_time(%[1]s %[3]s | unwrap seq [%[2]s]) by (audit_log_id))
		+ 1 - sum by (audit_log_id) (count_over_time(%[1]s %[3]s | keep audit_log_id [%[2]s]))`, tr.selector(), tr.window(), number))
	if plain != missing && (!want.resent || plain > missing) {
		t.Errorf("the completeness query says that %d numbers are missing, want %d", plain, missing)
	}

	// A series for each number; the limit on series makes it several queries.
	const most = 10_000
	distinct := 0
	for from := first; from <= last; from += most {
		distinct += tr.count(t, fmt.Sprintf(
			`count(sum by (seq) (count_over_time(%s %s | seq >= %d | seq < %d | keep seq [%s])))`,
			tr.selector(), number, from, from+most, tr.window()))
	}
	if distinct != len(entries) {
		t.Errorf("Loki counts %d different sequence numbers, log queries show %d", distinct, len(entries))
	}
}

func (tr trail) window() string { return fmt.Sprintf("%ds", int((tr.since + time.Hour).Seconds())) }

// count returns the one value of a metric query.
func (tr trail) count(t *testing.T, logql string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Entries may be ahead of the clock, as far as Loki lets them.
	samples, err := tr.loki.Instant(ctx, logql, time.Now().Add(15*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 1 {
		t.Fatalf("query %s: %d series, want one", logql, len(samples))
	}
	return int(samples[0].Value)
}

// limited returns a t.Errorf that says no more after some lines.
func limited(t *testing.T) func(format string, args ...any) {
	n := 0
	return func(format string, args ...any) {
		t.Helper()
		if n++; n <= 10 {
			t.Errorf(format, args...)
		} else if n == 11 {
			t.Error("and more of the same kind")
		}
	}
}
