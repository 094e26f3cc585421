package proof

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/compact"
)

// Entry is one entry of a log as it was read from Loki.
type Entry struct {
	Number uint64 // by its line
	Labels string // see [Labels]
	Nanos  int64
	Line   string
	// Checkpoint is the one that the entry carries, opened; nil of most.
	Checkpoint *Checkpoint
}

// Span is a run of events, From and To included, and why it is reported.
type Span struct {
	From, To uint64
	Why      string `json:",omitempty"`
	// Before and After are the times of the entries around it; zero if not known.
	Before, After time.Time
}

// Verdict answers a question about a trail.
type Verdict string

// The verdicts.
const (
	Yes     Verdict = "yes"
	No      Verdict = "no"
	Unknown Verdict = "unknown" // there was nothing to judge by
)

// MaxSpans is how many spans of each kind a report lists. Report.Omitted counts
// the others.
const MaxSpans = 1000

// Report is what a verification has found.
type Report struct {
	Origin string
	// From and To are the events that were judged, both included; 0, 0 if none.
	From, To    uint64
	Entries     uint64 // read, judged or not
	Checkpoints uint64 // verified

	Complete  Verdict // every event is there, or its absence declared
	Unaltered Verdict // every event is as it was stored

	Missing  []Span // not there, and not declared
	Altered  []Span // what is there is not what was stored; as narrow as checkpoints allow
	Doubled  []Span // several different entries have one number
	Declared []Gap  // not there, and declared
	Forks    []Span // two checkpoints contradict each other
	Unjudged []Span // behind the last checkpoint, before the first
	Omitted  int    // spans beyond MaxSpans
}

// Start says where a verification begins: nil for the first event of the log, or
// a checkpoint that is trusted already.
type Start = *Checkpoint

// Verify reads the entries of one log, in the order of their times, and judges
// them by the checkpoints among them and by those that were kept elsewhere
// (anchors, in any order). All checkpoints must have been opened with the log's
// keys. It holds the hashes between two checkpoints in memory, nothing else.
//
// The error is that of entries. A hole is not an error; but Loki answers short
// when it is overloaded, so entries should ask again before they leave one.
func Verify(origin string, start Start, entries iter.Seq2[Entry, error], anchors []*Checkpoint) (*Report, error) {
	v := &verification{report: Report{Origin: origin}, leaves: map[uint64][]leaf{}, known: ranges.NewEmptyRange(0)}
	if start != nil {
		r, err := rangeOf(start.Size, start.Range)
		if err != nil {
			return nil, err
		}
		v.known, v.last = r, start
	}
	v.report.From = v.known.End() + 1
	for _, a := range anchors {
		if a.Origin == origin && a.Size > v.known.End() {
			v.anchors = append(v.anchors, a)
		}
	}
	slices.SortStableFunc(v.anchors, func(a, b *Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		v.read(&e)
	}
	for _, a := range v.anchors {
		v.judge(a)
	}
	return v.end(), nil
}

type verification struct {
	report  Report
	known   *compact.Range // the tree up to the last checkpoint
	last    *Checkpoint
	anchors []*Checkpoint // not judged by yet, the smallest first
	leaves  map[uint64][]leaf
	highest uint64
	judged  bool
}

// leaf is what was read for a number.
type leaf struct {
	hash  Hash
	nanos int64
}

// maxPending bounds what is held of events that no checkpoint covers yet.
const maxPending = 4 << 20

func (v *verification) read(e *Entry) {
	v.report.Entries++
	if e.Number > v.known.End() {
		h, _ := Leaf(e.Labels, e.Nanos, e.Line, nil)
		v.take(e.Number, leaf{h, e.Nanos})
	}
	if c := e.Checkpoint; c != nil && c.Origin == v.report.Origin {
		for len(v.anchors) > 0 && v.anchors[0].Size <= c.Size {
			v.judge(v.anchors[0])
			v.anchors = v.anchors[1:]
		}
		v.judge(c)
	}
}

func (v *verification) take(n uint64, l leaf) {
	same := func(o leaf) bool { return o.hash == l.hash } // a push that was sent twice
	if slices.ContainsFunc(v.leaves[n], same) {
		return
	}
	if len(v.leaves) >= maxPending {
		v.add(&v.report.Unjudged, Span{From: n, To: n, Why: "too many events without a checkpoint"})
		return
	}
	v.leaves[n] = append(v.leaves[n], l)
	v.highest = max(v.highest, n)
}

// judge compares what was read up to a checkpoint with it.
func (v *verification) judge(c *Checkpoint) {
	switch {
	case v.last != nil && c.Size == v.last.Size:
		if !c.sameTree(v.last) {
			v.add(&v.report.Forks, Span{From: c.Size, To: c.Size, Why: "two checkpoints of one size with different roots"})
		}
		return
	case c.Size <= v.known.End():
		return // an older one, read again
	}
	v.judged = true
	v.report.Checkpoints++
	from, to := v.known.End()+1, c.Size
	gaps := map[uint64]string{}
	for _, g := range c.Gaps {
		if g.To < from {
			continue
		}
		v.report.Declared = append(v.report.Declared, g)
		for n := max(g.From, from); n <= g.To; n++ {
			gaps[n] = g.Reason
		}
	}
	whole := v.findMissing(from, to, gaps)
	if whole && !v.matches(from, to, gaps, c) {
		v.add(&v.report.Altered, v.around(Span{From: from, To: to, Why: "the entries do not make the signed root"}))
	}
	for n := from; n <= to; n++ {
		delete(v.leaves, n)
	}
	// What was signed is the tree from here on, whatever was read.
	if r, err := rangeOf(c.Size, c.Range); err == nil {
		v.known = r
	}
	v.last, v.report.To = c, c.Size
}

// findMissing reports the events that are neither there nor declared, and those
// that are there in several forms. It returns whether every number has a leaf.
func (v *verification) findMissing(from, to uint64, gaps map[uint64]string) bool {
	whole := true
	for n := from; n <= to; n++ {
		found := len(v.leaves[n])
		if found > 1 {
			v.add(&v.report.Doubled, Span{From: n, To: n, Why: fmt.Sprintf("%d different entries", found)})
		}
		if _, declared := gaps[n]; found > 0 || declared {
			continue
		}
		whole = false
		if last := len(v.report.Missing) - 1; last >= 0 && v.report.Missing[last].To+1 == n {
			v.report.Missing[last].To = n
			continue
		}
		v.add(&v.report.Missing, Span{From: n, To: n})
	}
	for i := range v.report.Missing {
		if s := &v.report.Missing[i]; s.From >= from {
			*s = v.around(*s)
		}
	}
	return whole
}

// maxForms bounds how many ways to choose among entries of one number are tried.
const maxForms = 256

// matches reports whether the entries make the checkpoint's tree. Where a number
// has several, it is enough that one choice does: the others were reported.
func (v *verification) matches(from, to uint64, gaps map[uint64]string, c *Checkpoint) bool {
	forms := 1
	for n := from; n <= to && forms <= maxForms; n++ {
		forms *= max(1, len(v.leaves[n]))
	}
	for form := range min(forms, maxForms) {
		t := &Tree{nodes: v.clone(), growth: growth{since: v.known.End()}}
		rest := form
		for n := from; n <= to; n++ {
			if reason, declared := gaps[n]; declared {
				t.Append(GapLeaf(reason))
				continue
			}
			choices := v.leaves[n]
			t.Append(choices[rest%len(choices)].hash)
			rest /= len(choices)
		}
		if root(t.nodes) == c.Root {
			return true
		}
	}
	return false
}

func (v *verification) clone() *compact.Range {
	r, err := ranges.NewRange(0, v.known.End(), slices.Clone(v.known.Hashes()))
	if err != nil {
		return ranges.NewEmptyRange(0) // cannot be: it was one
	}
	return r
}

// around fills in the times of what was read next to a span.
func (v *verification) around(s Span) Span {
	at := func(n uint64) time.Time {
		if l := v.leaves[n]; len(l) > 0 {
			return time.Unix(0, l[0].nanos).UTC()
		}
		return time.Time{}
	}
	s.Before, s.After = at(s.From-1), at(s.To+1)
	return s
}

func (v *verification) add(list *[]Span, s Span) {
	if len(*list) >= MaxSpans {
		v.report.Omitted++
		return
	}
	*list = append(*list, s)
}

func (v *verification) end() *Report {
	r := &v.report
	if v.highest > v.known.End() {
		v.add(&r.Unjudged, Span{From: v.known.End() + 1, To: v.highest, Why: "behind the last checkpoint"})
	}
	r.Complete, r.Unaltered = Unknown, Unknown
	if v.judged {
		r.Complete, r.Unaltered = Yes, Yes
	} else {
		r.From, r.To = 0, 0
	}
	if len(r.Missing) > 0 {
		// A tree that lacks leaves can't be compared.
		r.Complete, r.Unaltered = No, Unknown
	}
	if len(r.Altered)+len(r.Doubled)+len(r.Forks) > 0 {
		r.Unaltered = No
	}
	return r
}
