package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Acceptance is a finding that somebody answers for.
type Acceptance struct {
	Span
	Kind   string `json:"kind"` // KindMissing, KindAltered or KindDoubled
	Reason string `json:"reason"`
}

// finding is a name for what is wrong with an interval: what was signed, and what is
// there. So it is another one if anything changes in the interval, whose events
// nothing else proves.
func (iv *interval) finding(log string) string {
	return nameOf(log, fmt.Sprintf("%d-%d %x", iv.from(), iv.to(), iv.mark.Root), iv.leaves) // sorted
}

// finding is a name for an entry that should not be there.
func (l leaf) finding(log string) string { return nameOf(log, "entry", []leaf{l}) }

func nameOf(log, what string, leaves []leaf) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %s\n", log, what) // a hash never fails
	for _, l := range leaves {
		h.Write(binary.BigEndian.AppendUint64(nil, l.number))
		h.Write(l.hash[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:findingBytes])
}

const findingBytes = 16

// both names two findings that are reported as one.
func both(a, b string) string {
	if a == b {
		return a
	}
	sum := sha256.Sum256([]byte(a + b))
	return hex.EncodeToString(sum[:findingBytes])
}

// accept takes what is accepted from among what is wrong: nothing, if there is more
// than is listed.
func (l *Log) accept(accepted map[string]string) {
	if l.Omitted > 0 {
		return
	}
	for _, wrong := range []struct {
		kind string
		list *[]Span
	}{{KindMissing, &l.Missing}, {KindAltered, &l.Altered}, {KindDoubled, &l.Doubled}} {
		*wrong.list = slices.DeleteFunc(*wrong.list, func(s Span) bool {
			reason, ok := accepted[s.Finding]
			if ok = ok && s.Finding != ""; ok {
				l.Accepted = append(l.Accepted, Acceptance{Span: s, Kind: wrong.kind, Reason: reason})
			}
			return ok
		})
	}
}

// acceptedInWords are the accepted findings with their reasons, each once.
func (r *Report) acceptedInWords() string {
	var words []string
	seen := map[string]bool{}
	for i := range r.Logs {
		for _, a := range r.Logs[i].Accepted {
			if !seen[a.Finding] {
				seen[a.Finding] = true
				words = append(words, a.Finding+" ("+a.Reason+")")
			}
		}
	}
	return strings.Join(words, ", ")
}

// ReadAccepted reads findings that are accepted, one a line: its name as a report
// has it, a space, and why it is accepted. Empty lines, and those that begin with #,
// are passed over.
func ReadAccepted(text string) (map[string]string, error) {
	accepted := map[string]string{}
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, reason, _ := strings.Cut(line, " ")
		reason = strings.TrimSpace(reason)
		switch b, err := hex.DecodeString(name); {
		case err != nil || len(b) != findingBytes || name != strings.ToLower(name):
			errs = append(errs, fmt.Errorf("line %d: %.60q; want the name of a finding: %d digits and small letters, as a report has it", n, name, 2*findingBytes))
		case reason == "":
			errs = append(errs, fmt.Errorf("line %d: finding %s has no reason: say behind it why it is accepted", n, name))
		case accepted[name] != "":
			errs = append(errs, fmt.Errorf("line %d: finding %s is there twice", n, name))
		default:
			accepted[name] = reason
		}
	}
	return accepted, errors.Join(errs...)
}
