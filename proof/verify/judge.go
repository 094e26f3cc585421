package verify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	// defaultPending bounds the leaves that are held: of events that no checkpoint
	// covers yet, and of intervals that are looked at again. 48 bytes each.
	defaultPending = 1 << 20
	// maxKnown bounds the checkpoints whose sizes and roots are remembered.
	maxKnown = 200_000
	// maxWhole is of how many the whole is.
	maxWhole = 64
)

// judge judges one log by its checkpoints, while its entries are read in the
// order of time.
type judge struct {
	log    Log
	keys   note.Verifiers
	claims claims // that events were erased
	lates  claims // that events came late
	acts   []*act // of this log

	accepted  map[string]string // findings, and why
	fromFirst bool              // the verdicts say nothing of what was before the first checkpoint

	// start is what is signed and agreed with so far: the log up to base.End().
	// Before the first mark it is not known, unless a verification goes on from
	// a checkpoint.
	started bool
	base    proof.Part
	last    *mark
	// since and until are the times that were asked for, zero for all. With since
	// zero the log is to be there from its first event on.
	since, until time.Time
	headless     bool    // a part of it that was asked for can't be judged
	from         *mark   // where the verification goes on from, nil if it begins
	waiting      []*mark // kept elsewhere, and not come to yet; the smallest first

	pending    []leaf
	shedTo     uint64 // number up to which some of pending were given up
	maxPending int
	lowest     uint64      // number that was read
	latest     int64       // time that was read
	intervals  []*interval // that are to be looked at again
	judged     []leaf      // the leaves judged last, to know repeats by
	held       int         // leaves in intervals
	delivered  []delivered // came late

	begun    *mark                 // the first checkpoint that stands in the log
	known    map[uint64]proof.Hash // roots that were signed, by size
	whole    []*mark               // the last marks
	unlinked []*mark               // that may be of another history
	doubtful []*mark               // of other logs, that what was read did not agree with
	proved   stretches             // that are complete and unaltered
	places   map[string]*Anchored
	scratch  []byte
	labels   labelCache
}

func newJudge(id string, keys note.Verifiers, start *mark, kept []*mark) (*judge, error) {
	j := &judge{log: Log{ID: id}, keys: keys, known: map[uint64]proof.Hash{}, places: map[string]*Anchored{}, maxPending: defaultPending}
	if start != nil {
		part, err := proof.PartAfter(start.Checkpoint)
		if err != nil {
			return nil, err
		}
		j.begin(part)
		j.remember(start)
		j.last, j.from, j.log.resumed = start, start, start.Size
	}
	// Of one size, what tells most comes first.
	j.waiting = slices.Clone(kept)
	slices.SortStableFunc(j.waiting, func(a, b *mark) int {
		if a.rootOnly == b.rootOnly {
			return 0
		}
		if a.rootOnly {
			return 1
		}
		return -1
	})
	slices.SortStableFunc(j.waiting, func(a, b *mark) int { return cmp.Compare(a.Size, b.Size) })
	return j, nil
}

func (j *judge) begin(p proof.Part) {
	j.started, j.base = true, p
	j.log.First = p.End() + 1
}

// read takes the next entry.
func (j *judge) read(e *loki.Entry) {
	j.log.Entries++
	l, why := j.leafOf(e)
	if why != "" {
		j.log.added = true
		add(&j.log, &j.log.Foreign, entryOf(e, why))
		return
	}
	j.latest = max(j.latest, l.nanos)
	if j.log.first.IsZero() {
		j.log.first = timeOf(l)
	}
	if (j.lowest == 0 || l.number < j.lowest) && !timeOf(l).Before(j.since) {
		j.lowest = l.number
	}
	j.take(l)
	if !isCheckpoint(e.Line) {
		return
	}
	m, err := checkpointIn(e, j.log.ID, j.keys)
	if err != nil {
		add(&j.log, &j.log.Foreign, entryOf(e, "a checkpoint that is not believed: "+err.Error()))
		return
	}
	j.meet(m)
}

// leafOf is the leaf that an entry is, or says why it is none of the log's events.
func (j *judge) leafOf(e *loki.Entry) (_ leaf, why string) {
	n, ok := adminsessions.SequenceOf(e.Line)
	switch {
	case !ok:
		return leaf{}, "it has no number"
	case foreignMetadata(e):
		return leaf{}, "it has structured metadata, which the exporter does not write"
	}
	l := leaf{number: n, nanos: e.Nanos, own: strings.HasPrefix(e.Line, ownPrefix)}
	l.hash, j.scratch = proof.Leaf(j.labels.text(e.Labels), e.Nanos, e.Line, j.scratch)
	return l, ""
}

// readAgain takes an entry of a log that is read once more.
func (j *judge) readAgain(e *loki.Entry) {
	l, why := j.leafOf(e)
	if why != "" {
		return
	}
	for _, iv := range j.intervals {
		if l.number < iv.from() || l.number > iv.to() {
			continue
		}
		if !iv.has(l) && len(iv.extra) < j.maxPending {
			iv.extra = append(iv.extra, l)
		}
		return
	}
}

func (j *judge) take(l leaf) {
	if j.started && l.number <= j.base.End() {
		j.late(l)
		return
	}
	if n := len(j.pending); j.ended() || n > 0 && j.pending[n-1] == l {
		return
	}
	if len(j.pending) >= j.maxPending {
		j.shed()
	}
	j.pending = append(j.pending, l)
}

// ended reports whether all that was asked for is judged. What is read then are
// entries whose times were changed.
func (j *judge) ended() bool {
	return !j.until.IsZero() && j.last != nil && !j.last.Time.Before(j.until)
}

const tooMany = "too many events without a checkpoint"

// late takes an event of an interval that was judged already.
func (j *judge) late(l leaf) {
	if l.number < j.log.First {
		return // before what is verified
	}
	for _, iv := range j.intervals {
		if l.number >= iv.from() && l.number <= iv.to() {
			if len(iv.extra) < j.maxPending { // it is enough to know that something is wrong
				iv.extra = append(iv.extra, l)
			}
			return
		}
	}
	if reason := j.declaredReason(l.number); reason != "" {
		j.unexpected(l, reason)
		return
	}
	same := func(o leaf) bool { return o.number == l.number && o.hash == l.hash }
	if !slices.ContainsFunc(j.judged, same) {
		addDoubled(&j.log, Span{From: l.number, To: l.number, Before: timeOf(l), After: timeOf(l), Finding: l.finding(j.log.ID),
			Why: "an entry of " + timeOf(l).Format(time.RFC3339Nano) + " has the number of another one, which was signed"})
	}
}

// shed gives up the older half of what waits for a checkpoint.
func (j *judge) shed() {
	half := len(j.pending) / 2
	lowest, highest := j.pending[0].number, uint64(0)
	for _, l := range j.pending[:half] {
		lowest, highest = min(lowest, l.number), max(highest, l.number)
	}
	j.shedTo = max(j.shedTo, highest)
	j.log.blind = true
	addSpan(&j.log, &j.log.Unjudged, Span{From: lowest, To: highest, Why: tooMany})
	j.pending = append(j.pending[:0], j.pending[half:]...)
}

// meet takes a checkpoint that stands in the log. Those that are kept elsewhere
// and are not larger come before it.
func (j *judge) meet(m *mark) {
	if j.begun == nil {
		j.begun = m
	}
	if j.ended() && m.Size > j.base.End() {
		return
	}
	for len(j.waiting) > 0 && (j.waiting[0].Size < m.Size || j.waiting[0].Size == m.Size && !j.waiting[0].rootOnly) {
		j.mark(j.waiting[0])
		j.waiting = j.waiting[1:]
	}
	j.mark(m)
}

// compare judges the events up to a mark that is about more of them than the last.
func (j *judge) compare(m *mark) {
	if !j.started {
		j.beginAt(m)
	}
	iv := &interval{start: j.base, mark: m}
	kept := j.pending[:0]
	for _, l := range j.pending {
		switch {
		case l.number < iv.from():
		case l.number <= m.Size:
			iv.leaves = append(iv.leaves, l)
		default:
			kept = append(kept, l)
		}
	}
	iv.sort()
	if iv.from() <= j.shedTo && !m.rootOnly {
		addSpan(&j.log, &j.log.Unjudged, iv.around(max(iv.from(), j.shedTo+1), iv.to(), tooMany))
		j.pending = kept
		j.follow(m)
		return
	}
	if same, chosen := iv.compare(j.claims); same {
		j.agree(iv, chosen)
		j.pending = kept
		return
	}
	if j.beginBehind(iv) {
		j.pending = kept
		return
	}
	if m.rootOnly { // nothing can begin behind it
		j.pending = append(kept, iv.leaves...)
		j.doubtful = append(j.doubtful, m)
		return
	}
	j.pending = kept
	// Entries may still come whose times were changed; and Loki may have kept some
	// back.
	j.intervals = append(j.intervals, iv)
	for j.held += len(iv.leaves); j.held > j.maxPending && len(j.intervals) > 1; {
		j.settle(j.intervals[0])
		j.held -= len(j.intervals[0].leaves)
		j.intervals = j.intervals[1:]
	}
	j.follow(m)
}

// hold has what was read behind the last mark looked at again, by what another log
// says of it.
func (j *judge) hold(m *mark) {
	iv := &interval{start: j.base, mark: m}
	j.pending = slices.DeleteFunc(j.pending, func(l leaf) bool {
		within := l.number >= iv.from() && l.number <= m.Size
		if within {
			iv.leaves = append(iv.leaves, l)
		}
		return within
	})
	j.intervals = append(j.intervals, iv)
	j.log.Last = m.Size
}

// settle judges an interval for good.
func (j *judge) settle(iv *interval) {
	iv.sort()
	if same, chosen := iv.compare(j.claims); same {
		j.agree(iv, chosen)
	} else {
		j.disagree(iv)
	}
}

func (j *judge) fromBeginning() bool { return j.since.IsZero() && j.from == nil }

// follow goes on behind a mark: what was signed is the log from there on,
// whatever was read.
func (j *judge) follow(m *mark) {
	part, err := proof.PartAfter(m.Checkpoint)
	if err != nil {
		return // cannot be: it was checked when it was opened
	}
	j.base, j.last = part, m
	j.log.Last = m.Size
}

// agree notes that an interval is what was signed.
func (j *judge) agree(iv *interval, chosen map[uint64]leaf) {
	j.log.Checkpoints++
	j.proved.add(stretch{iv.from(), iv.to(), iv.mark})
	for _, m := range j.doubted(iv) {
		j.fork(m.Size, m.Size, m, "what the log behind it says of its events is not what was signed in it")
	}
	j.proveActs(iv, chosen)
	for p := range iv.each(j.claims) {
		j.report(iv, p, chosen)
		if len(p.choices) > 1 {
			l := chosen[p.from]
			s := iv.around(p.from, p.to, doubledWhy(p.choices, &l))
			s.Finding = iv.finding(j.log.ID)
			addDoubled(&j.log, s)
		}
	}
	j.judged = append(slices.Clip(j.judged[:0:0]), iv.leaves...)
	if iv.mark.rootOnly {
		if iv.to() > j.base.End() {
			j.base, j.log.Last = iv.end, iv.to()
		}
		return
	}
	if j.last == nil || iv.mark.Size > j.last.Size {
		j.follow(iv.mark)
	}
}
