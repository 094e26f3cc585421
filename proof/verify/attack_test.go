package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// What somebody who can write to Loki, and delete from it, can do to a log of 105
// events, and what shows. Its checkpoints are events 10, 20 … 100, and each is
// about the events before it.
func TestAttacks(t *testing.T) {
	for name, c := range map[string]struct {
		attack   func(t *testing.T, w *writer) []loki.Entry
		anchored bool
		want     string
	}{
		"nothing": {func(_ *testing.T, w *writer) []loki.Entry { return w.entries }, false,
			"yes yes; a 1-99 unjudged 100-105"},
		"nothing, anchored": {func(_ *testing.T, w *writer) []loki.Entry { return w.entries }, true,
			"yes yes; a 1-99 unjudged 100-105"},
		"delete one": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 42, 42) }, false,
			"no unknown; a 1-99 missing 42-42 unjudged 100-105"},
		"delete some, over a checkpoint": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 48, 52) }, false,
			"no unknown; a 1-99 missing 48-52 unjudged 100-105"},
		"cut the head": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 1, 5) }, false,
			"no unknown; a 1-99 missing 1-5 unjudged 100-105"},
		"cut the head and its checkpoints": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 1, 35) }, false,
			"no unknown; a 30-99 missing 1-29 30-35 unjudged 100-105"},
		"cut the head and its checkpoints, anchored": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 1, 35) }, true,
			"no unknown; a 1-99 missing 1-35 unjudged 100-105"},
		"cut the tail": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 75, 105) }, false,
			"yes yes; a 1-69 unjudged 70-74"},
		"cut the tail, anchored": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 75, 105) }, true,
			"no unknown; a 1-99 missing 75-99"},
		"delete the log": {func(*testing.T, *writer) []loki.Entry { return nil }, false,
			"unknown unknown"},
		"delete the log, anchored": {func(*testing.T, *writer) []loki.Entry { return nil }, true,
			"no unknown; a 1-99 missing 1-99"},
		"replace one": {func(_ *testing.T, w *writer) []loki.Entry {
			e := &w.entries[at(w.entries, 42)]
			e.Line = strings.Replace(e.Line, "event 42", "harmless", 1)
			return w.entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"replace one by what is no event": {func(_ *testing.T, w *writer) []loki.Entry {
			w.entries[at(w.entries, 42)].Line = "harmless"
			return w.entries
		}, false, "no unknown; a 1-99 missing 42-42 unjudged 100-105 foreign 1"},
		"another time": {func(_ *testing.T, w *writer) []loki.Entry {
			w.entries[at(w.entries, 42)].Nanos++
			return w.entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"move one to another day": {func(_ *testing.T, w *writer) []loki.Entry {
			w.entries[at(w.entries, 42)].Nanos -= int64(20 * time.Hour)
			return w.entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"another stream": {func(_ *testing.T, w *writer) []loki.Entry {
			w.entries[at(w.entries, 42)].Labels = map[string]string{"audit_log_id": "a", "service_name": "panel", "service_instance_id": "host-2"}
			return w.entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"metadata that takes the place of what is in the line": {func(_ *testing.T, w *writer) []loki.Entry {
			w.entries[at(w.entries, 42)].Metadata = map[string]string{"type": "TRAIL"}
			return w.entries
		}, false, "no unknown; a 1-99 missing 42-42 unjudged 100-105 foreign 1"},
		"swap two": {func(_ *testing.T, w *writer) []loki.Entry {
			x, y := at(w.entries, 42), at(w.entries, 43)
			w.entries[x].Line, w.entries[y].Line = w.entries[y].Line, w.entries[x].Line
			return w.entries
		}, false, "yes no; a 1-99 altered 40-49 unjudged 100-105"},
		"insert a second one": {func(_ *testing.T, w *writer) []loki.Entry {
			e := w.entries[at(w.entries, 42)]
			e.Nanos, e.Line = e.Nanos-5, strings.Replace(e.Line, "event 42", "forged", 1)
			return append(w.entries, e)
		}, false, "yes no; a 1-99 doubled 42-42 unjudged 100-105"},
		"insert a second one much later": {func(_ *testing.T, w *writer) []loki.Entry {
			e := w.entries[at(w.entries, 42)]
			e.Nanos += int64(time.Hour)
			return append(w.entries, e)
		}, false, "yes no; a 1-99 doubled 42-42 unjudged 100-105"},
		"insert one for each": {func(_ *testing.T, w *writer) []loki.Entry {
			for _, e := range w.entries[:99] {
				e.Nanos++
				w.entries = append(w.entries, e)
			}
			return w.entries
		}, false, "yes no; a 1-99 doubled 1-99 unjudged 100-105"},
		"send one twice": {func(_ *testing.T, w *writer) []loki.Entry {
			return append(w.entries, w.entries[at(w.entries, 42)])
		}, false, "yes yes; a 1-99 unjudged 100-105"},
		"invent the future": {func(_ *testing.T, w *writer) []loki.Entry {
			e := w.entries[at(w.entries, 105)]
			e.Nanos, e.Line = e.Nanos+1, strings.Replace(e.Line, "seq=105", "seq=500", 1)
			return append(w.entries, e)
		}, false, "yes yes; a 1-99 unjudged 100-105 106-499 500-500"},
		"write what has no number": {func(_ *testing.T, w *writer) []loki.Entry {
			return append(w.entries, loki.Entry{Nanos: w.entries[41].Nanos, Labels: w.labels(), Line: "drop table"})
		}, false, "yes yes; a 1-99 unjudged 100-105 foreign 1"},
		"delete a checkpoint": {func(_ *testing.T, w *writer) []loki.Entry { return without(w.entries, 50, 50) }, false,
			"no unknown; a 1-99 missing 50-50 unjudged 100-105"},
		"replace every checkpoint": {func(_ *testing.T, w *writer) []loki.Entry { return defaced(w) }, false,
			"unknown unknown; a 0-0 unjudged 1-105"},
		"replace every checkpoint, anchored": {func(_ *testing.T, w *writer) []loki.Entry { return defaced(w) }, true,
			"yes no; a 1-99 altered 10-99 unjudged 100-105"},
		"sign with another key": {func(t *testing.T, w *writer) []loki.Entry {
			other := newWriter(t, "a").write(105)
			return other.entries
		}, false, "unknown unknown; a 0-0 unjudged 1-105 foreign 10"},
		"sign with another key, anchored": {func(t *testing.T, w *writer) []loki.Entry {
			other := newWriter(t, "a").write(105)
			return other.entries
		}, true, "yes no; a 1-99 altered 1-99 unjudged 100-105 foreign 10"},
		"a checkpoint of another log": {func(t *testing.T, w *writer) []loki.Entry {
			other := newWriter(t, "b")
			other.signer = w.signer
			e := other.write(50).entries[49]
			e.Labels, e.Line = w.labels(), strings.Replace(e.Line, "seq=50", "seq=106", 1)
			return append(w.entries, e)
		}, false, "yes yes; a 1-99 unjudged 100-106 foreign 1"},
		"with the key: grown anew from the middle": {func(t *testing.T, w *writer) []loki.Entry {
			return forked(t, w, 105)
		}, false, "yes yes; a 1-99 unjudged 100-105"},
		"with the key: grown anew from the middle, anchored": {func(t *testing.T, w *writer) []loki.Entry {
			return forked(t, w, 105)
		}, true, "yes no; a 1-99 altered 50-99 forks 59-59 69-69 79-79 89-89 99-99 unjudged 100-105"},
		"with the key: two histories at once, as after a spool was set back": {func(t *testing.T, w *writer) []loki.Entry {
			all := slices.Clone(w.entries)
			for _, e := range forked(t, w, 75)[50:] {
				e.Nanos += int64(time.Hour)
				all = append(all, e)
			}
			return all
		}, false, "yes no; a 1-99 doubled 51-75 forks 59-59 69-69 unjudged 100-105"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, "a").write(105)
			config := Config{Keys: []string{w.public}}
			if c.anchored {
				config.Anchors = append(config.Anchors, kept{name: "elsewhere", notes: slices.Clone(w.notes)})
			}
			r := verifyFake(t, &fakeLoki{entries: c.attack(t, w)}, config)
			if got := short(r); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// defaced is a log whose checkpoints are other events.
func defaced(w *writer) []loki.Entry {
	for i := range w.entries {
		if isCheckpoint(w.entries[i].Line) {
			e := adminsessions.Event{Type: adminsessions.Web, Method: "GET"}
			w.entries[i].Line = string(adminsessions.AppendSequence([]byte(e.Line()), uint64(i+1), time.Time{}))
		}
	}
	return w.entries
}

// forked is a log with a second history behind its event 50.
func forked(t *testing.T, w *writer, n uint64) []loki.Entry {
	t.Helper()
	again := newWriter(t, "a")
	again.signer = w.signer
	again.entries = nil
	for _, e := range w.entries[:50] {
		again.replay(e)
	}
	return again.write(n).entries
}
