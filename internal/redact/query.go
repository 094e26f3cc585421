package redact

import "strings"

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
	open := 0                         // pairs over which a secret in quotes goes on
	for pairs := 0; query != ""; pairs++ {
		pair, rest, more := strings.Cut(query, "&")
		long := len(pair) > looked
		if long {
			pair = withoutEnd(pair[:looked])
		}
		switch {
		case open > 0:
			open--
			b = append(b, Placeholder...)
		case pair != "":
			var hidden, cutToo bool
			b, hidden, cutToo = r.appendPairs(b, pair, limit, long)
			if hidden {
				open = r.openPairs(pair, rest)
			}
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

// openPairs returns over how many of the pairs that follow a string goes on
// which is open at the end of a pair: {"password":"a&b"}.
func (r *Redactor) openPairs(pair, rest string) int {
	name, _, _ := strings.Cut(pair, "=")
	if strings.Count(pair, `"`)%2 == 0 || r.encodedName(name) != never {
		return 0
	}
	for n := 1; n <= maxOpen && rest != ""; n++ {
		if pair, rest, _ = strings.Cut(rest, "&"); strings.Contains(pair, `"`) {
			return n
		}
	}
	return 0
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
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		if closed || r.holds(pair, m) {
			return append(b, Placeholder...), true, long
		}
		b, cut = r.appendLong(b, pair, limit, long)
		return b, false, cut
	}
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
