package prooftest

import (
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// Attack is something that somebody does to a log of 105 events. Its checkpoints
// are events 10, 20 … 100, and each is about the events before it.
type Attack struct {
	Name string
	// Do returns what stands in Loki then.
	Do func(*Log) []loki.Entry
	// Anchored says that the log's checkpoints are kept elsewhere.
	Anchored bool
	// Want is what a report says, in one line, with LOG for the log's id.
	Want string
}

// Attacks are those of somebody who can write to Loki and delete from it, and of
// somebody who has the log's key as well.
func Attacks() []Attack {
	return []Attack{
		{"nothing", func(w *Log) []loki.Entry { return w.Entries }, false,
			"yes yes; LOG 1-99 unjudged 100-105"},
		{"nothing, anchored", func(w *Log) []loki.Entry { return w.Entries }, true,
			"yes yes; LOG 1-99 unjudged 100-105"},
		{"delete one", func(w *Log) []loki.Entry { return Without(w.Entries, 42, 42) }, false,
			"no unknown; LOG 1-99 missing 42-42 unjudged 100-105"},
		{"delete some, over a checkpoint", func(w *Log) []loki.Entry { return Without(w.Entries, 48, 52) }, false,
			"no unknown; LOG 1-99 missing 48-52 unjudged 100-105"},
		{"cut the head", func(w *Log) []loki.Entry { return Without(w.Entries, 1, 5) }, false,
			"no unknown; LOG 1-99 missing 1-5 unjudged 100-105"},
		{"cut the head and its checkpoints", func(w *Log) []loki.Entry { return Without(w.Entries, 1, 35) }, false,
			"no unknown; LOG 1-99 missing 1-35 unjudged 100-105"},
		{"cut the head and its checkpoints, anchored", func(w *Log) []loki.Entry { return Without(w.Entries, 1, 35) }, true,
			"no unknown; LOG 1-99 missing 1-35 unjudged 100-105"},
		{"cut the tail", func(w *Log) []loki.Entry { return Without(w.Entries, 75, 105) }, false,
			"yes yes; LOG 1-69 unjudged 70-74"},
		{"cut the tail, anchored", func(w *Log) []loki.Entry { return Without(w.Entries, 75, 105) }, true,
			"no unknown; LOG 1-99 missing 75-99"},
		{"delete the log", func(*Log) []loki.Entry { return nil }, false,
			"unknown unknown"},
		{"delete the log, anchored", func(*Log) []loki.Entry { return nil }, true,
			"no unknown; LOG 1-99 missing 1-99"},
		{"replace one", func(w *Log) []loki.Entry {
			e := &w.Entries[At(w.Entries, 42)]
			e.Line = strings.Replace(e.Line, "event 42", "harmless", 1)
			return w.Entries
		}, false, "yes no; LOG 1-99 altered 40-49 unjudged 100-105"},
		{"replace one by what is no event", func(w *Log) []loki.Entry {
			w.Entries[At(w.Entries, 42)].Line = "harmless"
			return w.Entries
		}, false, "no no; LOG 1-99 missing 42-42 unjudged 100-105 foreign 1"},
		{"another time", func(w *Log) []loki.Entry {
			w.Entries[At(w.Entries, 42)].Nanos++
			return w.Entries
		}, false, "yes no; LOG 1-99 altered 40-49 unjudged 100-105"},
		{"move one to another hour", func(w *Log) []loki.Entry {
			w.Entries[At(w.Entries, 42)].Nanos -= int64(10 * time.Hour)
			return w.Entries
		}, false, "yes no; LOG 1-99 altered 40-49 unjudged 100-105"},
		{"another stream", func(w *Log) []loki.Entry {
			w.Entries[At(w.Entries, 42)].Labels = map[string]string{"audit_log_id": w.ID, "service_name": "panel", "service_instance_id": "host-2"}
			return w.Entries
		}, false, "yes no; LOG 1-99 altered 40-49 unjudged 100-105"},
		{"metadata that takes the place of what is in the line", func(w *Log) []loki.Entry {
			w.Entries[At(w.Entries, 42)].Metadata = map[string]string{"type": "TRAIL"}
			return w.Entries
		}, false, "no no; LOG 1-99 missing 42-42 unjudged 100-105 foreign 1"},
		{"swap two", func(w *Log) []loki.Entry {
			x, y := At(w.Entries, 42), At(w.Entries, 43)
			w.Entries[x].Line, w.Entries[y].Line = w.Entries[y].Line, w.Entries[x].Line
			return w.Entries
		}, false, "yes no; LOG 1-99 altered 40-49 unjudged 100-105"},
		{"insert a second one", func(w *Log) []loki.Entry {
			e := w.Entries[At(w.Entries, 42)]
			e.Nanos, e.Line = e.Nanos-5, strings.Replace(e.Line, "event 42", "forged", 1)
			return append(w.Entries, e)
		}, false, "yes no; LOG 1-99 doubled 42-42 unjudged 100-105"},
		{"insert a second one much later", func(w *Log) []loki.Entry {
			e := w.Entries[At(w.Entries, 42)]
			e.Nanos += int64(time.Hour)
			return append(w.Entries, e)
		}, false, "yes no; LOG 1-99 doubled 42-42 unjudged 100-105"},
		{"insert one for each", func(w *Log) []loki.Entry {
			for _, e := range w.Entries[:99] {
				e.Nanos++
				w.Entries = append(w.Entries, e)
			}
			return w.Entries
		}, false, "yes no; LOG 1-99 doubled 1-99 unjudged 100-105"},
		{"send one twice", func(w *Log) []loki.Entry {
			return append(w.Entries, w.Entries[At(w.Entries, 42)])
		}, false, "yes yes; LOG 1-99 unjudged 100-105"},
		{"invent the future", func(w *Log) []loki.Entry {
			e := w.Entries[At(w.Entries, 105)]
			e.Nanos, e.Line = e.Nanos+1, strings.Replace(e.Line, "seq=105", "seq=500", 1)
			return append(w.Entries, e)
		}, false, "yes yes; LOG 1-99 unjudged 100-105 106-499 500-500"},
		{"write what has no number", func(w *Log) []loki.Entry {
			return append(w.Entries, loki.Entry{Nanos: w.Entries[41].Nanos, Labels: w.Labels(), Line: "drop table"})
		}, false, "yes no; LOG 1-99 unjudged 100-105 foreign 1"},
		{"write an event without a number", func(w *Log) []loki.Entry {
			e := w.Entries[At(w.Entries, 42)]
			e.Nanos, e.Line = e.Nanos+1, e.Line[:strings.LastIndexByte(e.Line, '\t')]
			return append(w.Entries, e)
		}, false, "yes no; LOG 1-99 unjudged 100-105 foreign 1"},
		{"delete a checkpoint", func(w *Log) []loki.Entry { return Without(w.Entries, 50, 50) }, false,
			"no unknown; LOG 1-99 missing 50-50 unjudged 100-105"},
		{"replace every checkpoint", func(w *Log) []loki.Entry { return defaced(w) }, false,
			"unknown unknown; LOG 0-0 unjudged 1-105"},
		{"replace every checkpoint, anchored", func(w *Log) []loki.Entry { return defaced(w) }, true,
			"yes no; LOG 1-99 altered 10-99 unjudged 100-105"},
		{"sign with another key", func(w *Log) []loki.Entry {
			other := New(w.t, w.ID, w.began).Write(105)
			return other.Entries
		}, false, "unknown unknown; LOG 0-0 unjudged 1-105 foreign 10"},
		{"sign with another key, anchored", func(w *Log) []loki.Entry {
			other := New(w.t, w.ID, w.began).Write(105)
			return other.Entries
		}, true, "yes no; LOG 1-99 altered 1-99 unjudged 100-105 foreign 10"},
		{"a checkpoint of another log", func(w *Log) []loki.Entry {
			other := New(w.t, w.ID+"b", w.began)
			other.Signer = w.Signer
			e := other.Write(50).Entries[49]
			e.Labels, e.Line = w.Labels(), strings.Replace(e.Line, "seq=50", "seq=106", 1)
			return append(w.Entries, e)
		}, false, "yes yes; LOG 1-99 unjudged 100-106 foreign 1"},
		{"with the key: grown anew from the middle", func(w *Log) []loki.Entry {
			return forked(w, 105)
		}, false, "yes yes; LOG 1-99 unjudged 100-105"},
		{"with the key: grown anew from the middle, anchored", func(w *Log) []loki.Entry {
			return forked(w, 105)
		}, true, "yes no; LOG 1-99 altered 50-99 forks 59-59 69-69 79-79 89-89 99-99 unjudged 100-105"},
		{"with the key: two histories at once, as after a spool was set back", func(w *Log) []loki.Entry {
			all := slices.Clone(w.Entries)
			for _, e := range forked(w, 75)[50:] {
				e.Nanos += int64(time.Hour)
				all = append(all, e)
			}
			return all
		}, false, "yes no; LOG 1-99 doubled 51-75 forks 59-59 69-69 unjudged 100-105"},
	}
}

// At is the index of the entry with a number.
func At(entries []loki.Entry, number uint64) int {
	return slices.IndexFunc(entries, func(e loki.Entry) bool {
		n, _ := adminsessions.SequenceOf(e.Line)
		return n == number
	})
}

// Without leaves the entries with numbers from and to, and those between, out.
func Without(entries []loki.Entry, from, to uint64) []loki.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e loki.Entry) bool {
		n, ok := adminsessions.SequenceOf(e.Line)
		return ok && n >= from && n <= to
	})
}

// defaced is a log whose checkpoints are other events.
func defaced(w *Log) []loki.Entry {
	for i := range w.Entries {
		if strings.HasPrefix(w.Entries[i].Line, "type=TRAIL ") {
			e := adminsessions.Event{Type: adminsessions.Web, Method: "GET"}
			w.Entries[i].Line = string(adminsessions.AppendSequence([]byte(e.Line()), uint64(i+1), time.Time{}))
		}
	}
	return w.Entries
}

// forked is a log with a second history behind its event 50.
func forked(w *Log, n uint64) []loki.Entry { return w.Fork(50).Write(n).Entries }
