package verify

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/prooftest"
	"github.com/adminsessions/adminsessions/proof"
)

func erasedOf(e loki.Entry, log string) adminsessions.Event {
	n, _ := adminsessions.SequenceOf(e.Line)
	h, _ := proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
	return adminsessions.Event{Type: adminsessions.Trail, Action: proof.ErasedAction,
		Attributes: proof.LeafAttributes(log, []proof.RecordedLeaf{{Number: n, Hash: h}})}
}

func lateOf(e loki.Entry, log string) adminsessions.Event {
	act := erasedOf(e, log)
	act.Action = proof.LateAction
	act.Attributes = append([]attribute.KeyValue{attribute.String("reason", proof.LateReason)}, act.Attributes...)
	return act
}

// numbered is an event as an entry that anybody who can write to Loki may push.
func numbered(w *prooftest.Log, e adminsessions.Event, n uint64, at time.Time) loki.Entry {
	return loki.Entry{Nanos: at.UnixNano(), Labels: w.Labels(), Line: string(adminsessions.AppendSequence([]byte(e.Line()), n, time.Time{}))}
}

// gapped is a log of 65 events of which 13 to 15 are declared not to be there.
func gapped(t *testing.T, reason string) *prooftest.Log {
	w := prooftest.New(t, "a", began).Write(12)
	w.Tree.AppendGap(15, reason)
	return w.Write(65)
}

// An act that is forged does not become true by the number that it is given.
func TestForgedActs(t *testing.T) {
	for name, c := range map[string]struct {
		number uint64
		at     time.Duration
		want   string
	}{
		"with the number of another event":               {44, time.Hour, "unknown no; a 1-59 doubled 44-44 declared 13-15 unjudged 60-65 erased 33-33 by a/44 false"},
		"with the number of another event, in its place": {44, 41*time.Second + 5, "unknown no; a 1-59 doubled 44-44 declared 13-15 unjudged 60-65 erased 33-33 by a/44 false"},
		"with a number that is declared absent":          {14, time.Hour, "unknown no; a 1-59 doubled 14-14 declared 13-15 unjudged 60-65 erased 33-33 by a/14 false"},
		"the same, in its place":                         {14, 12*time.Second + 5, "unknown no; a 1-59 doubled 14-14 declared 13-15 unjudged 60-65 erased 33-33 by a/14 false"},
		"with a number that is not taken":                {500, time.Hour, "unknown yes; a 1-59 declared 13-15 unjudged 60-65 66-499 500-500 erased 33-33 by a/500 false"},
	} {
		t.Run(name, func(t *testing.T) {
			w := gapped(t, "spool_full")
			act := erasedOf(w.Entries[prooftest.At(w.Entries, 33)], "a")
			entries := append(prooftest.Without(w.Entries, 33, 33), numbered(w, act, c.number, began.Add(c.at)))
			if got := verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{w.Public}}).String(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// Somebody forges an act of erasure of an event that really is erased, with another
// hash: the true one still holds.
func TestForgedActBesideTheTrueOne(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(45)
	was := w.Entries[prooftest.At(w.Entries, 33)]
	w.Add(erasedOf(was, "a"))
	w.Write(65)
	was.Line += "x"
	entries := append(prooftest.Without(w.Entries, 33, 33), numbered(w, erasedOf(was, "a"), 300, began.Add(time.Minute)))
	entries[0], entries[len(entries)-1] = entries[len(entries)-1], entries[0]
	r := verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "yes yes; a 1-59 unjudged 60-65 66-299 300-300 erased 33-33 by a/46 true"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// The number of an event that is declared not to be there is no place for another.
func TestInsertedUnderADeclaredNumber(t *testing.T) {
	forged := adminsessions.Event{Type: adminsessions.Web, Method: "POST", StatusCode: 200, RequestID: "1", Note: "forged"}
	for reason, want := range map[string]string{
		"spool_full":      "yes no; a 1-59 doubled 14-14 declared 13-15 unjudged 60-65",
		proof.Quarantined: "yes no; a 1-59 doubled 14-14 declared 13-15 unjudged 60-65",
		// Loki may have got it before the machine lost it.
		proof.Unused:  "yes unknown; a 1-59 declared 13-15 unjudged 14-14 60-65",
		proof.Damaged: "yes unknown; a 1-59 declared 13-15 unjudged 14-14 60-65",
	} {
		for _, at := range []time.Duration{12*time.Second + 5, time.Hour} {
			w := gapped(t, reason)
			entries := append(w.Entries, numbered(w, forged, 14, began.Add(at)))
			if got := verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{w.Public}}).String(); got != want {
				t.Errorf("%s, after %s:\n got %s\nwant %s", reason, at, got, want)
			}
		}
	}
}

// What comes out of quarantine has the number that was declared, and an act that
// says what it is.
func TestDeliveredLate(t *testing.T) {
	event := adminsessions.Event{Type: adminsessions.Web, Method: "POST", StatusCode: 200, RequestID: "1", Note: "late"}
	for _, at := range []time.Duration{12*time.Second + 5, 50 * time.Second} {
		w := gapped(t, proof.Quarantined)
		late := numbered(w, event, 14, began.Add(at))
		w.Add(lateOf(late, "a"))
		w.Write(85)
		verify := func(entries ...loki.Entry) *Report {
			return verifyFake(t, &fakeLoki{entries: append(append([]loki.Entry{}, w.Entries...), entries...)}, Config{Keys: []string{w.Public}})
		}
		r := verify(late)
		if got, want := r.String(), "yes yes; a 1-79 declared 13-15 unjudged 80-85"; got != want || len(r.Logs[0].Notes) != 1 {
			t.Errorf("after %s:\n got %s, %q\nwant %s", at, got, r.Logs[0].Notes, want)
		}
		altered := late
		altered.Line = strings.Replace(late.Line, "late", "lies", 1)
		if got, want := verify(altered).String(), "yes no; a 1-79 doubled 14-14 declared 13-15 unjudged 80-85"; got != want {
			t.Errorf("after %s, altered:\n got %s\nwant %s", at, got, want)
		}
		// An act that nobody has signed.
		other := numbered(w, event, 15, began.Add(at+1))
		if got, want := verify(late, other, numbered(w, lateOf(other, "a"), 70, began.Add(time.Hour))).String(),
			"yes no; a 1-79 doubled 70-70 declared 13-15 unjudged 15-15 80-85"; got != want {
			t.Errorf("after %s, with a forged act:\n got %s\nwant %s", at, got, want)
		}
	}
}

// A number may be anything that fits.
func TestHugeNumbers(t *testing.T) {
	event := adminsessions.Event{Type: adminsessions.Web, Method: "GET", StatusCode: 200, RequestID: "x"}
	for _, n := range []uint64{1 << 63, math.MaxUint64 - 1, math.MaxUint64} {
		w := prooftest.New(t, "a", began).Write(65)
		r := verifyFake(t, &fakeLoki{entries: append(w.Entries, numbered(w, event, n, began.Add(time.Hour)), numbered(w, event, n, began.Add(30*time.Second+5)))}, Config{Keys: []string{w.Public}})
		if u := r.Logs[0].Unjudged; r.Complete != Yes || r.Unaltered != Yes || len(u) != 3 || u[2].From != n || u[2].To != n {
			t.Errorf("%d: %s", n, r)
		}
	}
	// The key's owner may say that there were as many.
	w := prooftest.New(t, "a", began).Write(15)
	w.Tree.AppendGap(math.MaxUint64-3, "spool_full")
	w.Checkpoint()
	if r := verifyFake(t, &fakeLoki{entries: w.Entries}, Config{Keys: []string{w.Public}}); len(r.Logs) != 1 {
		t.Error(r)
	}
}

// What looks like an event and belongs to no log is shown on the page; the report
// says that nothing proves it.
func TestOutsideOfAllLogs(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(65)
	e := w.Entries[41]
	e.Labels = map[string]string{"service_name": "panel"}
	other := e
	other.Labels = map[string]string{"service_name": "another"}
	r := verifyFake(t, &fakeLoki{entries: append(w.Entries, e, other)}, Config{Keys: []string{w.Public}})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "the service panel has 1 stream without a log") || len(r.Logs) != 1 {
		t.Errorf("%s\n%s", r, strings.Join(r.Problems, "\n"))
	}
}

// However much is found, a verification does not go on behind the first that is
// wrong.
func TestFindingsBeyondTheMost(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(3000)
	entries := slices.Clone(w.Entries)
	for _, e := range w.Entries[500:2990:2990] {
		if n, _ := adminsessions.SequenceOf(e.Line); n%2 == 0 {
			e.Nanos++
			entries = append(entries, e)
		}
	}
	late := w.Entries[41]
	late.Nanos += int64(2 * time.Hour)
	r := verifyFake(t, &fakeLoki{entries: append(entries, late)}, Config{Keys: []string{w.Public}})
	if l := r.Logs[0]; l.Omitted+len(l.Doubled) < 900 || l.UpTo.After(began.Add(42*time.Second)) {
		t.Errorf("%d doubled, %d omitted, up to %s", len(l.Doubled), l.Omitted, l.UpTo)
	}
}
