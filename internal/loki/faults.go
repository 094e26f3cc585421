package loki

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults are what Loki names as wrong with entries of a push.
type Faults struct {
	// TooNew are entries more than Loki's creation_grace_period, 10 minutes by
	// default, ahead of its clock; TooOld those older than
	// reject_old_samples_max_age, a week by default.
	TooNew, TooOld []Second
	// Behind is how many entries are more than half of max_chunk_age behind the
	// newest of their stream.
	Behind int
	// Oldest is the oldest acceptable time, where Loki says it.
	Oldest time.Time
	// MaxLine, unless 0, is the most bytes a line may have: an entry has more.
	// LineLengths are the lengths of those that Loki has named.
	MaxLine     int
	LineLengths []int
}

// Second names entries by the second in which their times lie, and how many of
// that second they are.
type Second struct {
	Unix  int64
	Count int
}

// Untimely returns which entries of a push Loki has refused for their times,
// given all of those, as indexes. A second may hold entries on both sides of a
// limit: if exact, only as many of it are taken as Loki has counted, from the far
// side of the limit; else all of that second and beyond.
func (f *Faults) Untimely(times []int64, exact bool) (tooNew, tooOld []int) {
	order := make([]int, len(times)) // by time
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(times[a], times[b]) })
	tooOld = pick(f.TooOld, order, times, exact, 1)
	if f.Behind > 0 {
		n := min(f.Behind, len(order))
		for !exact && n < len(order) && times[order[n]] < f.Oldest.Add(time.Second).UnixNano() {
			n++
		}
		tooOld = append(tooOld, order[:n]...)
	}
	slices.Reverse(order)
	tooNew = pick(f.TooNew, order, times, exact, -1)
	return tooNew, tooOld
}

// pick takes the first entries, in this order, of each second named, or, unless
// exact, all up to the last of these seconds. direction is that of the order.
func pick(named []Second, order []int, times []int64, exact bool, direction int64) (picked []int) {
	if len(named) == 0 {
		return nil
	}
	counts := make(map[int64]int, len(named))
	last := named[0].Unix
	for _, s := range named {
		counts[s.Unix] += s.Count
		if s.Unix*direction > last*direction {
			last = s.Unix
		}
	}
	for _, i := range order {
		second := time.Unix(0, times[i]).Unix()
		if exact {
			if counts[second] > 0 {
				counts[second]--
				picked = append(picked, i)
			}
		} else if second*direction <= last*direction {
			picked = append(picked, i)
		}
	}
	return picked
}

// faultsIn reads a refusal. ok reports that it consists of nothing but faults of
// single entries, and is in Loki's own form; whatever else the answer says, no
// entry is known to be to blame.
//
// The answer quotes the labels of the stream, which may hold any words, those
// looked for here too. So the labels are taken out first, by their grammar, and
// the rest must fit a known form from its beginning to its end.
//
// The forms are Loki's (pkg/validation/validate.go; pkg/ingester/stream.go,
// errorForFailedEntries; pkg/chunkenc/interface.go), versions 2.9 to 3.7.
func faultsIn(text string) (f Faults, ok bool) {
	truncated := len(text) >= maxPushAnswer
	text = strings.TrimSpace(withoutLabels(text))
	if strings.HasPrefix(text, ignoredPrefix) {
		return ignoredEntries(text, truncated)
	}
	messages := strings.Split(text, "; ")
	if truncated {
		messages = messages[:len(messages)-1]
	}
	for _, m := range messages {
		count := 1
		if n, rest, found := strings.Cut(m, " errors like: "); found {
			if i, err := strconv.Atoi(n); err == nil {
				count, m = i, rest
			}
		}
		if !f.add(m, count) {
			return Faults{}, false
		}
	}
	return f, len(messages) > 0
}

const ignoredPrefix = "entry with timestamp "

var (
	tooOld    = regexp.MustCompile(`^entry for stream '?\{\}'? has timestamp too old: (\S+)(?:, oldest acceptable timestamp is: (\S+))?$`)
	tooNew    = regexp.MustCompile(`^entry for stream '?\{\}'? has timestamp too new: (\S+)$`)
	lineLimit = regexp.MustCompile(`^[Mm]ax entry size '(\d+)' bytes exceeded for stream '?\{\}'? while adding an entry with length '(\d+)' bytes$`)

	ignored      = regexp.MustCompile(`^entry with timestamp [-+:. 0-9A-Za-z=]+ ignored, reason: '([^']*)'(?: for stream: \{\})?,?$`)
	totalIgnored = regexp.MustCompile(`^(?:user '[^\n]*', )?total ignored: (\d+) out of \d+(?: for stream: \{\})?$`)
	farBehind    = regexp.MustCompile(`^entry too far behind,(?: entry timestamp is: \S+,)? oldest acceptable timestamp is: (\S+)$`)
)

// add reads one message of Loki's validation, which has it count times.
func (f *Faults) add(m string, count int) bool {
	if parts := tooNew.FindStringSubmatch(m); parts != nil {
		return name(&f.TooNew, parts[1], count)
	}
	if parts := tooOld.FindStringSubmatch(m); parts != nil {
		f.acceptable(parts[2])
		return name(&f.TooOld, parts[1], count)
	}
	parts := lineLimit.FindStringSubmatch(m)
	if parts == nil {
		return false
	}
	limit, err1 := strconv.Atoi(parts[1])
	length, err2 := strconv.Atoi(parts[2])
	if err1 != nil || err2 != nil || length <= limit || f.MaxLine != 0 && f.MaxLine != limit {
		return false
	}
	f.MaxLine, f.LineLengths = limit, append(f.LineLengths, length)
	return true
}

func name(list *[]Second, timestamp string, count int) bool {
	t, err := time.Parse(time.RFC3339, timestamp)
	if err != nil {
		return false
	}
	*list = append(*list, Second{t.Unix(), count})
	return true
}

func (f *Faults) acceptable(oldest string) {
	if t, err := time.Parse(time.RFC3339, oldest); err == nil && t.After(f.Oldest) {
		f.Oldest = t
	}
}

// ignoredEntries reads the refusal of an ingester: a line for each of the first
// entries, and one with their number.
func ignoredEntries(text string, truncated bool) (f Faults, ok bool) {
	lines := strings.Split(text, "\n")
	last := len(lines) - 1
	if total := totalIgnored.FindStringSubmatch(lines[last]); total != nil {
		f.Behind, _ = strconv.Atoi(total[1])
	} else if !truncated {
		return Faults{}, false
	}
	for _, l := range lines[:last] {
		parts := ignored.FindStringSubmatch(l)
		if parts == nil {
			return Faults{}, false
		}
		// Any other reason, such as "entry out of order" where Loki takes only
		// what is in order, may also be said of an entry that it has already.
		behind := farBehind.FindStringSubmatch(parts[1])
		if behind == nil {
			return Faults{}, false
		}
		f.acceptable(behind[1])
	}
	f.Behind = max(f.Behind, last)
	return f, last > 0
}

// withoutLabels replaces every set of labels, {name="value", …}, by {}.
func withoutLabels(text string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			break
		}
		b.WriteString(text[:i+1])
		text = text[i+1:]
		if n := endOfLabels(text); n >= 0 {
			b.WriteByte('}')
			text = text[n:]
		}
	}
	b.WriteString(text)
	return b.String()
}

// endOfLabels is the offset behind the set of labels whose opening brace stands
// before s, or -1 if there is none.
func endOfLabels(s string) int {
	i := 0
	for i < len(s) {
		if s[i] == '}' {
			return i + 1
		}
		start := i
		for i < len(s) && isNameByte(s[i]) {
			i++
		}
		if i == start || i == len(s) || s[i] != '=' {
			return -1
		}
		quoted, err := strconv.QuotedPrefix(s[i+1:])
		if err != nil || quoted[0] != '"' {
			return -1
		}
		i += 1 + len(quoted)
		i += len(s[i:]) - len(strings.TrimLeft(s[i:], ", "))
	}
	return -1
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == ':' || c == '.'
}
