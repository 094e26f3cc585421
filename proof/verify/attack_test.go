package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/prooftest"
)

// What somebody who can write to Loki, and delete from it, can do to a log of 105
// events, and what shows. Its checkpoints are events 10, 20 … 100, and each is
// about the events before it.
func TestAttacks(t *testing.T) {
	for name, c := range map[string]struct {
		attack   func(t *testing.T, w *prooftest.Log) []loki.Entry
		anchored bool
		want     string
	}{
		"nothing": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return w.Entries }, false,
			"yes yes; a 1-99 unjudged 100-105"},
		"nothing, anchored": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return w.Entries }, true,
			"yes yes; a 1-99 unjudged 100-105"},
		"delete one": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 42, 42) }, false,
			"no unknown; a 1-99 missing 42-42 unjudged 100-105"},
		"delete some, over a checkpoint": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 48, 52) }, false,
			"no unknown; a 1-99 missing 48-52 unjudged 100-105"},
		"cut the head": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 1, 5) }, false,
			"no unknown; a 1-99 missing 1-5 unjudged 100-105"},
		"cut the head and its checkpoints": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 1, 35) }, false,
			"no unknown; a 30-99 missing 1-29 30-35 unjudged 100-105"},
		"cut the head and its checkpoints, anchored": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 1, 35) }, true,
			"no unknown; a 1-99 missing 1-35 unjudged 100-105"},
		"cut the tail": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 75, 105) }, false,
			"yes yes; a 1-69 unjudged 70-74"},
		"cut the tail, anchored": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 75, 105) }, true,
			"no unknown; a 1-99 missing 75-99"},
		"delete the log": {func(*testing.T, *prooftest.Log) []loki.Entry { return nil }, false,
			"unknown unknown"},
		"delete the log, anchored": {func(*testing.T, *prooftest.Log) []loki.Entry { return nil }, true,
			"no unknown; a 1-99 missing 1-99"},
		"replace one": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			e := &w.Entries[at(w.Entries, 42)]
			e.Line = strings.Replace(e.Line, "event 42", "harmless", 1)
			return w.Entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"replace one by what is no event": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			w.Entries[at(w.Entries, 42)].Line = "harmless"
			return w.Entries
		}, false, "no unknown; a 1-99 missing 42-42 unjudged 100-105 foreign 1"},
		"another time": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			w.Entries[at(w.Entries, 42)].Nanos++
			return w.Entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"move one to another day": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			w.Entries[at(w.Entries, 42)].Nanos -= int64(20 * time.Hour)
			return w.Entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"another stream": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			w.Entries[at(w.Entries, 42)].Labels = map[string]string{"audit_log_id": "a", "service_name": "panel", "service_instance_id": "host-2"}
			return w.Entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"metadata that takes the place of what is in the line": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			w.Entries[at(w.Entries, 42)].Metadata = map[string]string{"type": "TRAIL"}
			return w.Entries
		}, false, "no unknown; a 1-99 missing 42-42 unjudged 100-105 foreign 1"},
		"swap two": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			x, y := at(w.Entries, 42), at(w.Entries, 43)
			w.Entries[x].Line, w.Entries[y].Line = w.Entries[y].Line, w.Entries[x].Line
			return w.Entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"insert a second one": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			e := w.Entries[at(w.Entries, 42)]
			e.Nanos, e.Line = e.Nanos-5, strings.Replace(e.Line, "event 42", "forged", 1)
			return append(w.Entries, e)
		}, false, "yes no; a 1-99 doubled 42-42 unjudged 100-105"},
		"insert a second one much later": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			e := w.Entries[at(w.Entries, 42)]
			e.Nanos += int64(time.Hour)
			return append(w.Entries, e)
		}, false, "yes no; a 1-99 doubled 42-42 unjudged 100-105"},
		"insert one for each": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			for _, e := range w.Entries[:99] {
				e.Nanos++
				w.Entries = append(w.Entries, e)
			}
			return w.Entries
		}, false, "yes no; a 1-99 doubled 1-99 unjudged 100-105"},
		"send one twice": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			return append(w.Entries, w.Entries[at(w.Entries, 42)])
		}, false, "yes yes; a 1-99 unjudged 100-105"},
		"invent the future": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			e := w.Entries[at(w.Entries, 105)]
			e.Nanos, e.Line = e.Nanos+1, strings.Replace(e.Line, "seq=105", "seq=500", 1)
			return append(w.Entries, e)
		}, false, "yes yes; a 1-99 unjudged 100-105 106-499 500-500"},
		"write what has no number": {func(_ *testing.T, w *prooftest.Log) []loki.Entry {
			return append(w.Entries, loki.Entry{Nanos: w.Entries[41].Nanos, Labels: w.Labels(), Line: "drop table"})
		}, false, "yes yes; a 1-99 unjudged 100-105 foreign 1"},
		"delete a checkpoint": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return without(w.Entries, 50, 50) }, false,
			"no unknown; a 1-99 missing 50-50 unjudged 100-105"},
		"replace every checkpoint": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return defaced(w) }, false,
			"unknown unknown; a 0-0 unjudged 1-105"},
		"replace every checkpoint, anchored": {func(_ *testing.T, w *prooftest.Log) []loki.Entry { return defaced(w) }, true,
			"yes no; a 1-99 altered 10-99 unjudged 100-105"},
		"sign with another key": {func(t *testing.T, w *prooftest.Log) []loki.Entry {
			other := prooftest.New(t, "a", began).Write(105)
			return other.Entries
		}, false, "unknown unknown; a 0-0 unjudged 1-105 foreign 10"},
		"sign with another key, anchored": {func(t *testing.T, w *prooftest.Log) []loki.Entry {
			other := prooftest.New(t, "a", began).Write(105)
			return other.Entries
		}, true, "yes no; a 1-99 altered 1-99 unjudged 100-105 foreign 10"},
		"a checkpoint of another log": {func(t *testing.T, w *prooftest.Log) []loki.Entry {
			other := prooftest.New(t, "b", began)
			other.Signer = w.Signer
			e := other.Write(50).Entries[49]
			e.Labels, e.Line = w.Labels(), strings.Replace(e.Line, "seq=50", "seq=106", 1)
			return append(w.Entries, e)
		}, false, "yes yes; a 1-99 unjudged 100-106 foreign 1"},
		"with the key: grown anew from the middle": {func(t *testing.T, w *prooftest.Log) []loki.Entry {
			return forked(t, w, 105)
		}, false, "yes yes; a 1-99 unjudged 100-105"},
		"with the key: grown anew from the middle, anchored": {func(t *testing.T, w *prooftest.Log) []loki.Entry {
			return forked(t, w, 105)
		}, true, "yes no; a 1-99 altered 50-99 forks 59-59 69-69 79-79 89-89 99-99 unjudged 100-105"},
		"with the key: two histories at once, as after a spool was set back": {func(t *testing.T, w *prooftest.Log) []loki.Entry {
			all := slices.Clone(w.Entries)
			for _, e := range forked(t, w, 75)[50:] {
				e.Nanos += int64(time.Hour)
				all = append(all, e)
			}
			return all
		}, false, "yes no; a 1-99 doubled 51-75 forks 59-59 69-69 unjudged 100-105"},
	} {
		t.Run(name, func(t *testing.T) {
			w := prooftest.New(t, "a", began).Write(105)
			config := Config{Keys: []string{w.Public}}
			if c.anchored {
				config.Anchors = append(config.Anchors, kept{name: "elsewhere", notes: slices.Clone(w.Notes)})
			}
			r := verifyFake(t, &fakeLoki{entries: c.attack(t, w)}, config)
			if got := short(r); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// defaced is a log whose checkpoints are other events.
func defaced(w *prooftest.Log) []loki.Entry {
	for i := range w.Entries {
		if isCheckpoint(w.Entries[i].Line) {
			e := adminsessions.Event{Type: adminsessions.Web, Method: "GET"}
			w.Entries[i].Line = string(adminsessions.AppendSequence([]byte(e.Line()), uint64(i+1), time.Time{}))
		}
	}
	return w.Entries
}

// forked is a log with a second history behind its event 50.
func forked(t *testing.T, w *prooftest.Log, n uint64) []loki.Entry {
	t.Helper()
	return w.Fork(50).Write(n).Entries
}
