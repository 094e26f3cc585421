package verify

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/prooftest"
	"github.com/adminsessions/adminsessions/proof"
)

// without leaves out the entries with some numbers.
func without(entries []loki.Entry, from, to uint64) (left []loki.Entry) {
	for _, e := range entries {
		if n, _ := adminsessions.SequenceOf(e.Line); n < from || n > to {
			left = append(left, e)
		}
	}
	return left
}

func altered(entries []loki.Entry, number uint64, note string) []loki.Entry {
	list := append([]loki.Entry(nil), entries...)
	for i := range list {
		if n, _ := adminsessions.SequenceOf(list[i].Line); n == number {
			list[i].Line = strings.Replace(list[i].Line, "event ", note+" ", 1)
		}
	}
	return list
}

// A finding is accepted as it is: what is accepted stays in the report, and anything
// else that happens to the same events is a finding again.
func TestAccepted(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(105)
	keys := Config{Keys: []string{w.Public}}
	names := func(entries []loki.Entry) map[string]string {
		accepted := map[string]string{}
		for _, l := range verifyFake(t, &fakeLoki{entries: entries}, keys).Logs {
			for _, list := range [][]Span{l.Missing, l.Altered, l.Doubled} {
				for _, s := range list {
					accepted[s.Finding] = "a disk was lost"
				}
			}
		}
		return accepted
	}
	forge := func(entries []loki.Entry, number uint64, after time.Duration) []loki.Entry {
		for _, e := range altered(entries, number, "forged") {
			if n, _ := adminsessions.SequenceOf(e.Line); n == number {
				e.Nanos += int64(after)
				return append(append([]loki.Entry(nil), entries...), e)
			}
		}
		return nil
	}
	lost := without(w.Entries, 42, 44)
	long := without(w.Entries, 35, 72)
	for name, c := range map[string]struct {
		accepted map[string]string
		entries  []loki.Entry
		want     string
	}{
		"as it was":                            {names(lost), lost, "accepted accepted; a 1-99 unjudged 100-105 accepted missing 42-44"},
		"over many checkpoints":                {names(long), long, "accepted accepted; a 1-99 unjudged 100-105 accepted missing 35-72"},
		"what was altered":                     {names(altered(w.Entries, 42, "x")), altered(w.Entries, 42, "x"), "yes accepted; a 1-99 unjudged 100-105 accepted altered 40-49"},
		"forged beside it":                     {names(forge(w.Entries, 42, 1)), forge(w.Entries, 42, 1), "yes accepted; a 1-99 unjudged 100-105 accepted doubled 42-42"},
		"forged beside it, and once more":      {names(forge(w.Entries, 42, 1)), forge(forge(w.Entries, 42, 1), 42, 2), "yes no; a 1-99 doubled 42-42 unjudged 100-105"},
		"forged, and later":                    {names(forge(w.Entries, 42, time.Hour)), forge(w.Entries, 42, time.Hour), "yes accepted; a 1-99 unjudged 100-105 accepted doubled 42-42"},
		"forged, and later, and once more":     {names(forge(w.Entries, 42, time.Hour)), forge(forge(w.Entries, 42, time.Hour), 43, time.Hour), "yes no; a 1-99 doubled 42-43 unjudged 100-105"},
		"nothing is accepted":                  {nil, lost, "no unknown; a 1-99 missing 42-44 unjudged 100-105"},
		"another one":                          {names(without(w.Entries, 52, 54)), lost, "no unknown; a 1-99 missing 42-44 unjudged 100-105"},
		"one more is missing beside it":        {names(lost), without(w.Entries, 42, 45), "no unknown; a 1-99 missing 42-45 unjudged 100-105"},
		"one less":                             {names(lost), without(w.Entries, 42, 43), "no unknown; a 1-99 missing 42-43 unjudged 100-105"},
		"one more is missing elsewhere":        {names(lost), without(lost, 52, 52), "no unknown; a 1-99 missing 52-52 unjudged 100-105 accepted missing 42-44"},
		"another is altered beside it":         {names(lost), altered(lost, 47, "x"), "no unknown; a 1-99 missing 42-44 unjudged 100-105"},
		"altered is altered again":             {names(altered(w.Entries, 42, "x")), altered(w.Entries, 42, "y"), "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"its neighbour in an accepted stretch": {names(long), altered(long, 33, "x"), "no unknown; a 1-99 missing 35-72 unjudged 100-105"},
		"it comes back":                        {names(lost), w.Entries, "yes yes; a 1-99 unjudged 100-105"},
		"it comes back otherwise":              {names(lost), altered(w.Entries, 43, "x"), "yes no; a 1-99 altered 40-49 unjudged 100-105"},
	} {
		t.Run(name, func(t *testing.T) {
			config := keys
			config.Accepted = c.accepted
			r := verifyFake(t, &fakeLoki{entries: c.entries}, config)
			if got := r.String(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if accepted := r.Unaltered == Accepted; accepted && (!strings.Contains(r.Text(), "because a disk was lost") || result(r, nil) != ResultGood) {
				t.Errorf("%s: %s", result(r, nil), r.Text())
			}
		})
	}
}

// Too many findings to list are not accepted, whatever of them is.
func TestMoreThanIsListedIsNotAccepted(t *testing.T) {
	l := Log{Missing: []Span{{From: 1, To: 1, Finding: "x"}}, Omitted: 1}
	if l.accept(map[string]string{"x": "y"}); len(l.Accepted) > 0 {
		t.Errorf("%+v", l)
	}
	var none Log
	none.Forks = []Span{{From: 1, To: 1}}
	none.Doubled = []Span{{From: 1, To: 1}}
	if none.accept(map[string]string{"": "y"}); len(none.Accepted) > 0 {
		t.Errorf("a finding without a name is accepted: %+v", none)
	}
}

// A schedule finds what is accepted each time, and says so on record.
func TestScheduleWithAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prooftest.New(t, "a", time.Now()).Write(105)
		<-time.After(200 * time.Second)
		f := &fakeLoki{entries: without(w.Entries, 42, 44)}
		config := Config{Keys: []string{w.Public}, Now: time.Now}
		keys, _ := config.keys()
		r, err := run(t.Context(), f, &config, keys)
		if err != nil {
			t.Fatal(err)
		}
		config.Accepted = map[string]string{r.Logs[0].Missing[0].Finding: "loki-2 lost its disk"}
		v, events := scheduled(t, f, Schedule{Config: config, Interval: time.Hour, Whole: 2 * time.Hour}, 5*time.Hour, nil)
		if n := v.Status().Runs; n[ResultGood] < 5 || n[ResultFinding] > 0 {
			t.Errorf("runs %v", n)
		}
		for _, e := range *events {
			if e.Outcome != adminsessions.OutcomeSuccess || !strings.Contains(e.Note, "loki-2 lost its disk") || !strings.Contains(e.Line(), "attr.accepted=") {
				t.Errorf("recorded %s", e.Line())
			}
		}
	})
}

func TestReadAccepted(t *testing.T) {
	const name = "5a1d7dbfb5f099bbac7c3272fda2b6eb"
	for text, want := range map[string]string{
		"": "map[] <nil>",
		"# x\n\n" + name + "  a disk was lost \n": "map[" + name + ":a disk was lost] <nil>",
		name:                           "has no reason",
		name + " x\n" + name + " y":    "line 2: finding " + name + " is there twice",
		"5a1d why":                     "line 1: \"5a1d\"; want the name",
		strings.ToUpper(name) + " why": "want the name",
		"missing 1-3":                  "want the name",
	} {
		accepted, err := ReadAccepted(text)
		if got := fmt.Sprint(accepted, " ", err); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// A log that was there before it was signed can be judged from its first checkpoint
// on; one whose tree was lost later can't.
func TestFromTheFirstCheckpoint(t *testing.T) {
	w := prooftest.New(t, "a", began)
	w.Tree.AppendGap(50, proof.Unproven)
	w.Write(105)
	lost := prooftest.New(t, "a", began).Write(25)
	lost.Tree.AppendGap(50, proof.Unproven)
	lost.Write(105)
	for name, c := range map[string]struct {
		log     *prooftest.Log
		entries []loki.Entry
		config  Config
		want    string
	}{
		"by default":               {w, w.Entries, Config{}, "unknown unknown; a 1-99 unjudged 1-50 100-105"},
		"from the first":           {w, w.Entries, Config{FromFirstCheckpoint: true}, "yes yes; a 1-99 unjudged 1-50 100-105"},
		"one is missing behind it": {w, without(w.Entries, 71, 71), Config{FromFirstCheckpoint: true}, "no unknown; a 1-99 missing 71-71 unjudged 1-50 100-105"},
		"the tree was lost":        {lost, lost.Entries, Config{FromFirstCheckpoint: true}, "unknown unknown; a 1-99 unjudged 26-50 100-105"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Keys = []string{c.log.Public}
			r := verifyFake(t, &fakeLoki{entries: c.entries}, c.config)
			if got := r.String(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if why := r.Logs[0].Unjudged[0].Why; c.log == w && !strings.HasPrefix(why, "unproven before the log's first checkpoint at 2026-11-01T08:") {
				t.Errorf("it says %q", why)
			}
		})
	}
}
