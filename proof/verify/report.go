package verify

import (
	"cmp"
	"slices"
	"time"
)

// Verdict answers a question about a trail.
type Verdict string

// The verdicts.
const (
	Yes      Verdict = "yes"
	Accepted Verdict = "accepted" // no, and somebody answers for each finding, see Config.Accepted
	No       Verdict = "no"
	Unknown  Verdict = "unknown" // there was nothing to judge by
)

// Report is what a verification has found.
type Report struct {
	// From and To are the times that were asked for.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`

	// Complete says whether every event is there, or declared missing, or erased on
	// record. Unaltered says whether every event is as it was stored, and none was
	// added.
	Complete  Verdict `json:"complete"`
	Unaltered Verdict `json:"unaltered"`
	// UpTo is the time up to which both is proved, but for what is accepted; zero if
	// for no event.
	UpTo time.Time `json:"verified_up_to,omitzero"`

	Entries     uint64 `json:"entries"`     // read
	Checkpoints uint64 `json:"checkpoints"` // that what was read agrees with

	Logs []Log `json:"logs"`
	// Problems are what has kept the verification from looking everywhere, and
	// what is odd: an anchor that can't be read, lines that are none of ours.
	Problems []string `json:"problems,omitempty"`
}

// Log is what was found in one log.
type Log struct {
	ID        string   `json:"id"`
	Services  []string `json:"services,omitempty"`
	Instances []string `json:"instances,omitempty"`

	Complete  Verdict   `json:"complete"`
	Unaltered Verdict   `json:"unaltered"`
	UpTo      time.Time `json:"verified_up_to,omitzero"`

	// First and Last are the numbers of the events that were judged, both
	// included; 0, 0 if none.
	First       uint64 `json:"first"`
	Last        uint64 `json:"last"`
	Entries     uint64 `json:"entries"`
	Checkpoints uint64 `json:"checkpoints"`

	// Missing events are neither there nor declared.
	Missing []Span `json:"missing,omitempty"`
	// Altered are runs of events in which at least one is not what was stored.
	// They are as narrow as the checkpoints allow.
	Altered []Span `json:"altered,omitempty"`
	// Doubled are numbers that several different entries have, or one where the log
	// says that there is none.
	Doubled []Span `json:"doubled,omitempty"`
	// Forks are contradictions between what was signed: two histories of one log.
	Forks []Span `json:"forks,omitempty"`
	// Accepted is what is missing, altered or doubled, and accepted.
	Accepted []Acceptance `json:"accepted,omitempty"`
	// Declared events are not there, and the log says why.
	Declared []Span `json:"declared,omitempty"`
	// Erased events were deleted on purpose, which is an act in the trail.
	Erased []Erasure `json:"erased,omitempty"`
	// Unjudged is what nothing proves, and why.
	Unjudged []Span `json:"unjudged,omitempty"`
	// Foreign are entries in the log's streams that the exporter has not written, and
	// checkpoints that are not believed.
	Foreign []Entry `json:"foreign,omitempty"`
	// Omitted is how many further findings there are beyond MaxFindings.
	Omitted int `json:"omitted,omitempty"`

	// Anchors are the places at which checkpoints of the log were found, the log
	// itself included.
	Anchors []Anchored `json:"anchors,omitempty"`
	// Notes say what else is odd about the log.
	Notes []string `json:"notes,omitempty"`
	// Predecessor is the log that this one says it took the place of.
	Predecessor string `json:"predecessor,omitempty"`
	// Checkpoint is the last one that is proved, signed. A later verification can
	// begin with it: see Config.Start.
	Checkpoint string `json:"checkpoint,omitempty"`

	resumed  uint64    // the number of the event up to which it was verified before
	blind    bool      // a part could not be judged at all
	unsigned bool      // there are entries of which nothing signed says what they should be
	wrong    uint64    // the first event with which something is wrong, 0 if nothing is
	added    bool      // there are entries that the exporter has not written
	headless bool      // not judged from where it should
	first    time.Time // of its entries
	open     time.Time // the last entry that waits for a checkpoint, besides the trail's own; zero if none does
}

// Span is a run of events, From and To included.
type Span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Why  string `json:"why,omitempty"`
	// Finding names what is wrong with everything that is there, between two
	// checkpoints. Where it is empty, the finding can't be accepted.
	Finding string `json:"finding,omitempty"`
	// Before and After are the times of the entries around it; zero if not known.
	Before time.Time `json:"before,omitzero"`
	After  time.Time `json:"after,omitzero"`
}

// Erasure is a run of events that were erased.
type Erasure struct {
	Span
	// By is the event that says so: its log, a slash and its number.
	By string `json:"by"`
	// Proved says whether that event, and the hashes that it gives for what was
	// erased, agree with what was signed.
	Proved bool `json:"proved"`

	act *act
}

// Entry is an entry in Loki.
type Entry struct {
	Time time.Time `json:"time"`
	Line string    `json:"line"` // its beginning
	Why  string    `json:"why"`
}

// Anchored says of a place which checkpoints of a log it has.
type Anchored struct {
	Place       string    `json:"place"`
	Checkpoints int       `json:"checkpoints"`
	Size        uint64    `json:"size"` // of the last one: how many events it is about
	Time        time.Time `json:"time"` // when it was made
}

// MaxFindings is how many findings of each kind a log's report lists.
const MaxFindings = 1000

// inLog is the place of checkpoints that stand in the trail itself.
const inLog = "log"

func add[T any](l *Log, list *[]T, f T) {
	if len(*list) >= MaxFindings {
		l.Omitted++
		return
	}
	*list = append(*list, f)
}

// addSpan adds a span, or makes the last one longer if it follows on it.
func addSpan(l *Log, list *[]Span, s Span) {
	if list != &l.Declared && list != &l.Unjudged {
		l.wrong = min(cmp.Or(l.wrong, s.From), s.From)
	}
	if n := len(*list) - 1; n >= 0 && (*list)[n].To+1 == s.From && (*list)[n].Why == s.Why && ((*list)[n].Finding == "") == (s.Finding == "") {
		last := &(*list)[n]
		last.To, last.After, last.Finding = s.To, s.After, both(last.Finding, s.Finding)
		return
	}
	add(l, list, s)
}

// addDoubled adds a number that several entries have.
func addDoubled(l *Log, s Span) {
	if n := len(l.Doubled) - 1; n >= 0 && l.Doubled[n].To+1 == s.From {
		l.Doubled[n].Why, s.Why = manyDoubled, manyDoubled
	}
	addSpan(l, &l.Doubled, s)
}

const manyDoubled = "different entries have each of these numbers, or one that was not signed"

// judge gives the log's verdicts, which follow from what was found.
func (l *Log) judge() {
	l.Complete, l.Unaltered = Unknown, Unknown
	if l.Last > 0 || l.resumed > 0 {
		l.Complete, l.Unaltered = Yes, Yes
	}
	if len(l.Accepted) > 0 && l.Complete == Yes {
		l.Unaltered = Accepted // also where events are missing: the others are as they were when that was accepted
		if slices.ContainsFunc(l.Accepted, func(a Acceptance) bool { return a.Kind == KindMissing }) {
			l.Complete = Accepted
		}
	}
	if l.headless || slices.ContainsFunc(l.Erased, func(e Erasure) bool { return !e.Proved }) {
		l.Complete = Unknown
	}
	if l.blind {
		l.Complete, l.Unaltered = Unknown, Unknown
	}
	if len(l.Missing) > 0 {
		l.Complete = No
		l.Unaltered = Unknown // where events are missing the others can't be compared
	}
	if l.unsigned && l.Unaltered != No {
		l.Unaltered = Unknown
	}
	if l.added || len(l.Altered)+len(l.Doubled)+len(l.Forks) > 0 {
		l.Unaltered = No
	}
}

// abandoned is after what time events are not waited for any more.
const abandoned = 24 * time.Hour

// upTo is the time up to which everything that a log has is proved, at most to. A
// log that has ended, but for what nobody will sign any more, holds nothing up:
// that is in Unjudged.
func (l *Log) upTo(to time.Time) time.Time {
	switch {
	case l.Complete == No || l.Unaltered == No:
		return l.UpTo
	case l.open.IsZero() || l.open.Before(to.Add(-abandoned)):
		return to
	case l.UpTo.IsZero():
		return l.first
	}
	return l.UpTo
}

// sort puts the findings in the order of the events.
func (l *Log) sort() {
	byNumber := func(a, b Span) int { return cmp.Compare(a.From, b.From) }
	for _, list := range [][]Span{l.Missing, l.Altered, l.Doubled, l.Forks, l.Declared, l.Unjudged} {
		slices.SortStableFunc(list, byNumber)
	}
	slices.SortStableFunc(l.Accepted, func(a, b Acceptance) int { return byNumber(a.Span, b.Span) })
	slices.SortStableFunc(l.Erased, func(a, b Erasure) int { return byNumber(a.Span, b.Span) })
}

// sum gives the verdicts on all logs.
func (r *Report) sum() {
	r.Complete, r.Unaltered = Yes, Yes
	if len(r.Logs) == 0 {
		r.Complete, r.Unaltered = Unknown, Unknown
	}
	for i := range r.Logs {
		l := &r.Logs[i]
		r.Entries += l.Entries
		r.Checkpoints += l.Checkpoints
		r.Complete, r.Unaltered = worse(r.Complete, l.Complete), worse(r.Unaltered, l.Unaltered)
		if at := l.upTo(r.To); i == 0 || at.Before(r.UpTo) {
			r.UpTo = at
		}
	}
}

// The kinds of findings that [Report.Findings] counts.
const (
	KindMissing  = "missing"
	KindAltered  = "altered"
	KindDoubled  = "doubled"
	KindForked   = "forked"
	KindDeclared = "declared"
	KindErased   = "erased"
	KindForeign  = "foreign"
	KindAccepted = "accepted" // whatever it is
)

// Kinds are the keys of Report.Findings.
func Kinds() []string {
	return []string{KindMissing, KindAltered, KindDoubled, KindForked, KindDeclared, KindErased, KindForeign, KindAccepted}
}

// Findings counts events by what was found of them, and foreign entries. Altered
// are all events of the runs in which one is.
func (r *Report) Findings() map[string]uint64 {
	n := map[string]uint64{}
	for _, l := range r.Logs {
		for kind, list := range map[string][]Span{KindMissing: l.Missing, KindAltered: l.Altered, KindDoubled: l.Doubled, KindForked: l.Forks, KindDeclared: l.Declared} {
			for _, s := range list {
				n[kind] += s.To - s.From + 1
			}
		}
		for _, e := range l.Erased {
			n[KindErased] += e.To - e.From + 1
		}
		for _, a := range l.Accepted {
			n[KindAccepted] += a.To - a.From + 1
		}
		n[KindForeign] += uint64(len(l.Foreign))
	}
	return n
}

// Good reports whether a verdict is nothing to be alarmed about.
func (v Verdict) Good() bool { return v == Yes || v == Accepted }

func worse(a, b Verdict) Verdict {
	switch {
	case a == No || b == No:
		return No
	case a == Unknown || b == Unknown:
		return Unknown
	case a == Accepted || b == Accepted:
		return Accepted
	}
	return Yes
}
