package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/prooftest"
)

// FuzzVerify does anything to a log, in any order, and compares what is found with
// what is left: an event up to the last checkpoint that is not there is never
// called complete, one that is not as it was is never called unaltered, and what
// was not touched is both.
func FuzzVerify(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 42, 1, 43, 2, 44, 3, 45, 4, 46, 5, 47, 6, 48})
	f.Add([]byte{0, 9, 0, 19, 0, 29, 0, 39, 2, 3})
	f.Add([]byte{3, 10, 3, 11, 4, 50, 4, 51, 1, 99})
	f.Fuzz(func(t *testing.T, ops []byte) {
		l := prooftest.New(t, "a", began).Write(105)
		was := slices.Clone(l.Entries)
		entries := slices.Clone(l.Entries)
		for len(ops) >= 2 && len(entries) > 0 {
			op, i := ops[0], int(ops[1])%len(entries)
			ops = ops[2:]
			switch op % 7 {
			case 0: // delete
				entries = slices.Delete(entries, i, i+1)
			case 1: // alter
				entries[i].Line = strings.Replace(entries[i].Line, "e", "a", 1)
			case 2: // another time
				entries[i].Nanos += int64(op) - 128
			case 3: // a second one
				e := entries[i]
				e.Nanos++
				entries = append(entries, e)
			case 4: // again
				entries = append(entries, entries[i])
			case 5: // foreign
				entries = append(entries, loki.Entry{Nanos: entries[i].Nanos, Labels: l.Labels(), Line: "foreign"})
			case 6: // swap
				j := (i + 1) % len(entries)
				entries[i].Line, entries[j].Line = entries[j].Line, entries[i].Line
			}
		}
		missing, altered := model(was, entries)
		r := verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{l.Public}, Anchors: anchored(l)})
		switch {
		case missing && r.Complete == Yes, altered && r.Unaltered == Yes:
			t.Errorf("missing %v, altered %v; found\n%s", missing, altered, r.Text())
		case !missing && !altered && (r.Complete != Yes || r.Unaltered != Yes):
			t.Errorf("nothing is wrong up to the last checkpoint; found\n%s", r.Text())
		}
	})
}

// model says what is wrong with events 1 to 99: whether a number is missing, and
// whether anything has the number of an event without being it.
func model(was, is []loki.Entry) (missing, altered bool) {
	type form struct {
		nanos int64
		line  string
	}
	forms := map[uint64]map[form]bool{}
	for _, e := range is {
		if n, ok := adminsessions.SequenceOf(e.Line); ok {
			if forms[n] == nil {
				forms[n] = map[form]bool{}
			}
			forms[n][form{e.Nanos, e.Line}] = true
		} else {
			altered = true // an event that was added
		}
	}
	for i, e := range was[:99] {
		got := forms[uint64(i+1)]
		missing = missing || len(got) == 0
		altered = altered || len(got) > 1 || len(got) == 1 && !got[form{e.Nanos, e.Line}]
	}
	return missing, altered
}
