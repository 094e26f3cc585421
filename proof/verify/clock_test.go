package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/prooftest"
)

// A clock that is set back puts later events, and their checkpoints, before earlier
// ones. That is no second history.
func TestClockSetBack(t *testing.T) {
	for name, back := range map[string]map[uint64]time.Duration{
		"a little":                   {44: 15 * time.Second},
		"over several checkpoints":   {74: 47 * time.Second},
		"to before the beginning":    {14: 10 * time.Minute},
		"in the middle of the first": {5: time.Hour},
		"twice":                      {44: 15 * time.Second, 64: 33 * time.Second},
		"and forward again":          {44: 35 * time.Second, 64: -time.Minute, 75: 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := prooftest.New(t, "a", began)
			for n := uint64(1); n <= 205; n++ {
				w.Write(n)
				w.At = w.At.Add(-back[n])
			}
			f := &fakeLoki{entries: w.Entries}
			r := verifyFake(t, f, Config{Keys: []string{w.Public}, Anchors: anchored(w)})
			if got, want := r.String(), "yes yes; a 1-199 unjudged 200-205"; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			r = verifyFake(t, &fakeLoki{entries: prooftest.Without(w.Entries, 42, 42)}, Config{Keys: []string{w.Public}})
			if got, want := r.String(), "no unknown; a 1-199 missing 42-42 unjudged 200-205"; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// A second history shows even if its checkpoints are of other sizes than those of
// the first.
func TestTwoHistoriesOfOtherSizes(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(105)
	f := w.Fork(50)
	f.At, f.Every = w.At, 7
	f.Write(80)
	r := verifyFake(t, &fakeLoki{entries: append(slices.Clone(w.Entries), f.Entries[50:]...)}, Config{Keys: []string{w.Public}})
	if r.Unaltered != No || len(r.Logs[0].Forks) == 0 || !strings.Contains(r.Text(), "set back") {
		t.Error(r.Text())
	}
}
