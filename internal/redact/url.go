package redact

import (
	"slices"
	"strings"
)

// Limits of the work that one URL can make, and of what is shown of its parts.
const (
	maxPath    = 8 << 10 // bytes of a path as sent
	maxSegment = 255     // bytes of a segment, where the path is too long
	maxPairs   = 256     // pairs of a query
	maxKey     = 64      // bytes of a name, where the query is too long
	maxValue   = 1024    // bytes of a value, then
	minValue   = 8       // at least
	minLooked  = 512     // bytes of a pair that are looked at, at least
)

// AppendURL appends path and query of a URL, both as sent, without their
// secrets and in their readable form, in room bytes at most. cut reports whether
// something is missing: long segments and long values are cut one by one, so
// that none hides what stands behind it.
func (r *Redactor) AppendURL(b []byte, path, query string, room int) (_ []byte, cut bool) {
	end := len(b) + room
	if query != "" {
		room -= min(len(query)+1, room/4)
	}
	b, cut = r.appendPath(b, path, room)
	if query == "" {
		return b, cut
	}
	b = append(b, '?')
	b, cutToo := r.appendQuery(b, query, end-len(b))
	return b, cut || cutToo
}

// URL returns a URL that comes as text, from a header, without its secrets,
// user-info and fragment.
func (r *Redactor) URL(s string, limit int) (_ string, cut bool) {
	if len(s) > maxPath {
		s, cut = withoutEnd(s[:maxPath]), true
	}
	s, _, _ = strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	origin, path := "", s
	if i := strings.Index(s, "//"); i >= 0 {
		authority, rest := s[i+2:], ""
		if j := strings.IndexByte(authority, '/'); j >= 0 {
			authority, rest = authority[:j], authority[j:]
		}
		authority = authority[strings.LastIndexByte(authority, '@')+1:]
		if i = strings.LastIndexByte(authority, '@'); i < 0 {
			i = strings.LastIndex(authority, "%40")
		}
		origin, path = s[:strings.Index(s, "//")+2]+authority, rest
	}
	if len(origin) > limit/2 {
		origin, cut = origin[:limit/2], true
	}
	b, cutToo := r.AppendURL([]byte(origin), path, query, limit-len(origin))
	out := string(b)
	if r.Value(out) {
		out = r.Text(out)
	}
	return out, cut || cutToo
}

// appendPath appends an escaped path, in room bytes at most.
func (r *Redactor) appendPath(b []byte, path string, room int) (_ []byte, cut bool) {
	if len(path) <= room && isPlainPath(path) && !mayHide(r.paths, path) {
		return append(b, path...), false
	}
	if len(path) > maxPath {
		path, cut = withoutEnd(path[:maxPath]), true
	}
	var spans spanList
	hiddenSegments(r.paths, path, false, spans.add)
	r.linkSegments(path, spans.add)
	spans.sort()
	m := isPath
	if cut {
		m |= mayGoOn
	}
	suspicious := r.holds(path, m)
	limit := maxSegment
	if len(path) <= room {
		limit = len(path)
	}
	first, end := len(b), len(b)+room
	for start := 0; start < len(path); {
		stop := start
		for stop < len(path) && path[stop] != '/' {
			stop++
		}
		var cutToo bool
		switch segment := path[start:stop]; {
		case segment == "":
		case spans.covers(start, stop):
			b = append(b, Placeholder...)
		case suspicious:
			b, cutToo = r.appendSegment(b, segment, limit)
		default:
			b, cutToo = appendCut(b, segment, limit)
		}
		cut = cut || cutToo
		if stop < len(path) {
			b = append(b, '/')
		}
		start = stop + 1
		if len(b) > end {
			b, cut = withEllipsis(b, first, end), true
			break
		}
	}
	if suspicious {
		if rest := string(b[first:]); r.holds(rest, isPath) { // a secret with slashes in it
			b = append(b[:first], r.clear(rest, isPath)...)
		}
	}
	return b, cut
}

// appendSegment appends a segment of a path in which there may be a secret.
func (r *Redactor) appendSegment(b []byte, segment string, limit int) (_ []byte, cut bool) {
	if i := strings.IndexByte(segment, ';'); i >= 0 {
		if segment[:i] != "" {
			b, cut = r.appendSegment(b, segment[:i], limit)
		}
		for param := range strings.SplitSeq(segment[i+1:], ";") {
			var cutToo bool
			b, _, cutToo = r.appendPair(append(b, ';'), param, limit, false, false)
			cut = cut || cutToo
		}
		return b, cut
	}
	if !r.Value(segment) {
		return appendCut(b, segment, limit)
	}
	if i := strings.LastIndexByte(segment, '@'); i >= 0 && !r.Value(segment[i+1:]) {
		b = append(b, Placeholder...)
		return appendCut(b, segment[i:], limit)
	}
	if i := strings.IndexByte(segment, '='); i > 0 && !r.Value(segment[:i]) {
		b, cut = appendCut(b, segment[:i], limit)
		b = append(b, '=')
		return append(b, Placeholder...), cut
	}
	return append(b, Placeholder...), false
}

// isPlainPath reports of most paths, cheaply, that nothing can be in them:
// short segments, words, numbers and UUIDs.
func isPlainPath(path string) bool {
	start := 0
	for i := range len(path) {
		c := path[i]
		if c == '/' {
			if i > 0 && (i == start || path[i-1] == '.') || i+1 < len(path) && path[i+1] == '.' {
				return false // other segments than these may be meant
			}
			if i-start > maxHarmless && !isPlainSegment(path[start:i]) {
				return false
			}
			start = i + 1
		} else if classes[c] == other && c != '-' && c != '_' && c != '.' || c >= 0x80 {
			return false
		}
	}
	return !strings.HasSuffix(path, ".") && (len(path)-start <= maxHarmless || isPlainSegment(path[start:]))
}

func isPlainSegment(s string) bool {
	if isUUID(s) {
		return true
	}
	digits, run := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isLower(c):
			if run++; run > 20 {
				return false
			}
		case isDigit(c):
			digits++
		case c == '-', c == '_':
			run = 0
		default:
			return false
		}
	}
	return (digits == 0 || digits == len(s) && digits < 13) && !findShapes(s, func(int, int) bool { return true })
}

// appendQuery appends a query, in room bytes at most. Where it doesn't fit,
// values are cut to the same length, and names when that is not enough.
func (r *Redactor) appendQuery(b []byte, query string, room int) (_ []byte, cut bool) {
	if len(query) <= room && r.isPlainQuery(query) {
		return append(b, query...), false
	}
	first := len(b)
	if len(query) <= room {
		if b, cut = r.appendAll(b, query, len(query), room); len(b)-first <= room {
			return b, cut
		}
	}
	for limit := fitting(query, room); ; limit /= 2 {
		if b, _ = r.appendAll(b[:first], query, limit, room); len(b)-first <= room {
			return b, true
		}
		if limit <= minValue {
			return withEllipsis(b, first, first+room), true
		}
	}
}

// isPlainQuery reports of most queries that nothing is in them.
func (r *Redactor) isPlainQuery(query string) bool {
	if r.all {
		return false
	}
	start, equal := 0, -1
	for i := 0; i <= len(query); i++ {
		if i == len(query) || query[i] == '&' {
			if equal < 0 && i > start || i-max(equal+1, start) > maxHarmless {
				return false
			}
			if name := query[start:max(start, equal)]; len(name) > maxHarmless && !isPlainSegment(name) || r.encodedName(name) != never {
				return false
			}
			start, equal = i+1, -1
			continue
		}
		c := query[i]
		if c == '=' && equal < 0 {
			equal = i
		} else if classes[c] == other && c != '-' && c != '_' && c != '.' && c != ',' || c >= 0x80 {
			return false
		}
	}
	return true
}

// fitting returns to what length the values of a query have to be cut for it to
// fit.
func fitting(query string, room int) int {
	var lengths [maxPairs]int
	n := 0
	for ; query != "" && n < maxPairs; n++ {
		pair, rest, _ := strings.Cut(query, "&")
		lengths[n], query = len(pair), rest
	}
	limit := maxValue
	for limit > minValue {
		sum := 0
		for _, length := range lengths[:n] {
			sum += min(length, limit) + len("&")
		}
		if sum <= room {
			break
		}
		limit /= 2
	}
	return limit
}

// appendAll appends all pairs of a query with values of limit bytes at most,
// until there are more than room bytes.
func (r *Redactor) appendAll(b []byte, query string, limit, room int) (_ []byte, cut bool) {
	end := len(b) + room
	looked := max(minLooked, 2*limit) // at of a pair
	open := false                     // a secret in quotes goes on
	for pairs := 0; query != ""; pairs++ {
		pair, rest, more := strings.Cut(query, "&")
		long := len(pair) > looked
		if long {
			pair = withoutEnd(pair[:looked])
		}
		switch {
		case open:
			open = strings.Count(pair, `"`)%2 == 0
			b = append(b, Placeholder...)
		case pair != "":
			hidden, cutToo := false, false
			b, hidden, cutToo = r.appendPairs(b, pair, limit, long)
			open = hidden && strings.Count(pair, `"`)%2 == 1
			cut = cut || cutToo
		}
		if more {
			b = append(b, '&')
		}
		query = rest
		if len(b) > end {
			return b, true
		}
		if pairs == maxPairs && query != "" {
			return append(b, "…"...), true
		}
	}
	return b, cut
}

// appendPairs appends pairs that are divided by semicolons, which some servers
// take for ampersands. Others don't: what stands behind a secret may be the
// rest of it. long says that the last pair goes on. hidden reports whether its
// value was left out.
func (r *Redactor) appendPairs(b []byte, pairs string, limit int, long bool) (out []byte, hidden, cut bool) {
	if strings.IndexByte(pairs, ';') < 0 {
		return r.appendPair(b, pairs, limit, false, long)
	}
	first, all := len(b), pairs
	defer func() {
		if !hidden && r.Value(all) { // it takes the whole to see it
			out, hidden, cut = r.appendPair(b[:first], all, limit, true, long)
		}
	}()
	for {
		pair, rest, more := strings.Cut(pairs, ";")
		var hid, cutToo bool
		b, hid, cutToo = r.appendPair(b, pair, limit, hidden, long && !more)
		hidden, cut = hidden || hid, cut || cutToo
		if !more {
			return b, hidden, cut
		}
		b = append(b, ';')
		pairs = rest
	}
}

// appendPair appends name=value. closed says that the value is left out in any
// case.
func (r *Redactor) appendPair(b []byte, pair string, limit int, closed, long bool) (_ []byte, hidden, cut bool) {
	if pair == "" {
		return b, false, long
	}
	var m mode
	if long {
		m = mayGoOn
	}
	i := strings.IndexByte(pair, '=')
	if i < 0 {
		if closed || r.holds(pair, m) {
			return append(b, Placeholder...), true, long
		}
		b, cut = r.appendLong(b, pair, limit, long)
		return b, false, cut
	}
	name, value := pair[:i], pair[i+1:]
	if name != "" && r.Value(name) {
		b, closed = append(b, Placeholder...), true
	} else {
		b, cut = appendCut(b, name, max(limit, maxKey))
	}
	b = append(b, '=')
	switch {
	case value == "":
		return b, false, cut || long
	case closed, r.all, r.HidesName(name, value), r.holds(value, m):
		return append(b, Placeholder...), true, cut || long
	}
	b, cutToo := r.appendLong(b, value, limit, long)
	return b, false, cut || cutToo
}

// appendLong is appendCut for what goes on behind s if long is set.
func (r *Redactor) appendLong(b []byte, s string, limit int, long bool) (_ []byte, cut bool) {
	b, cut = appendCut(b, s, limit)
	if long && !cut {
		b = append(b, "…"...)
	}
	return b, cut || long
}

// spanList keeps what was found.
type spanList [][2]int

func (l *spanList) add(start, end int) bool {
	if n := len(*l); n > 0 && (*l)[n-1][0] <= start && end <= (*l)[n-1][1] {
		return false
	}
	*l = append(*l, [2]int{start, end})
	return false
}

// sort puts the list in order, for covers.
func (l spanList) sort() { slices.SortFunc(l, func(a, b [2]int) int { return a[0] - b[0] }) }

// covers reports whether something in the list meets start to end. It must be
// asked in order: it takes off what lies before.
func (l *spanList) covers(start, end int) bool {
	for len(*l) > 0 && (*l)[0][1] <= start {
		*l = (*l)[1:]
	}
	for _, s := range *l {
		if s[0] >= end {
			return false
		}
		if start < s[1] {
			return true
		}
	}
	return false
}
