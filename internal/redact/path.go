package redact

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PathPattern is a path in which some segments are secrets: "/invite/{token}".
type PathPattern struct {
	segments []string // normal; "" for one that may be anything
	hidden   []bool
	rest     bool // the last segment stands for all that follow
	literal  bool // there is something to recognise before the first that is hidden
}

// ParsePathPattern reads a pattern: "{name}" is hidden, "{name...}" at the end
// hides all that follows, "*" is any segment.
func ParsePathPattern(s string) (PathPattern, error) {
	if !strings.HasPrefix(s, "/") {
		return PathPattern{}, fmt.Errorf("path pattern %q does not start with a slash", s)
	}
	var p PathPattern
	hides, parts := false, strings.Split(s[1:], "/")
	for i, part := range parts {
		switch wildcard := isWildcard(part); {
		case !wildcard && strings.ContainsAny(part, "{}"), part == "{}", part == "{...}":
			return PathPattern{}, fmt.Errorf("path pattern %q: segment %q is neither plain nor a {name}", s, part)
		case wildcard && strings.HasSuffix(part, "...}"):
			if i != len(parts)-1 {
				return PathPattern{}, fmt.Errorf("path pattern %q: %q is not at the end", s, part)
			}
			p.rest = true
			p.add("", true)
			hides = true
		case wildcard:
			p.add("", true)
			hides = true
		case part == "*":
			p.add("", false)
		case part == "" && i == len(parts)-1 && i > 0: // a slash at the end is the same path
		default:
			p.add(normalSegment(part), false)
		}
	}
	if !hides {
		return PathPattern{}, errors.New("path pattern " + s + ` names no segment to hide: write it as "/invite/{token}"`)
	}
	return p, nil
}

// HideIn returns a URL that [Redactor.AppendURL] has made with the segments of
// its path that a pattern hides left out.
func HideIn(u string, p PathPattern) string {
	start := strings.Index(u, "//") + 2
	if start > len(u) {
		return u // of nothing
	}
	slash := strings.IndexByte(u[start:], '/')
	if slash < 0 {
		return u
	}
	start += slash
	end := len(u)
	if i := strings.IndexByte(u[start:], '?'); i >= 0 {
		end = start + i
	}
	path := u[start:end]
	var spans spanList
	one := []PathPattern{p}
	if hiddenSegments(one, path, false, spans.add); len(spans) == 0 {
		hiddenSegments(one, path, true, spans.add) // the route of a part that is mounted somewhere
	}
	spans.sort()
	b := append(make([]byte, 0, len(u)), u[:start]...)
	for at := 0; at <= len(path); {
		stop := at
		for stop < len(path) && path[stop] != '/' {
			stop++
		}
		if stop > at && spans.covers(at, stop) {
			b = append(b, Placeholder...)
		} else {
			b = append(b, path[at:stop]...)
		}
		if stop < len(path) {
			b = append(b, '/')
		}
		at = stop + 1
	}
	return string(append(b, u[end:]...))
}

func isWildcard(part string) bool {
	return len(part) >= 2 && part[0] == '{' && part[len(part)-1] == '}'
}

func (p *PathPattern) add(segment string, hidden bool) {
	if segment != "" && !slices.Contains(p.hidden, true) {
		p.literal = true
	}
	p.segments, p.hidden = append(p.segments, segment), append(p.hidden, hidden)
}

// RoutePattern makes a pattern of a route's ("GET /reset/{token}", chi's
// "/reset/{token:[a-z]+}", gin's "/reset/:token") that hides the segments whose
// wildcards have a secret's name. It reports false if there is none.
func (r *Redactor) RoutePattern(route string) (p PathPattern, hides bool) {
	slash := strings.IndexByte(route, '/')
	if slash < 0 || !strings.ContainsAny(route, "{:*") {
		return p, false
	}
	if route = route[slash+1:]; areIDs(route) {
		return p, false
	}
	r.eachWildcard(route, func(_, _ string, hidden bool) { hides = hides || hidden })
	if !hides {
		return p, false
	}
	r.eachWildcard(route, func(part, name string, hidden bool) {
		if name == "" {
			p.add(normalSegment(part), false)
			return
		}
		p.add("", hidden)
		p.rest = strings.HasSuffix(name, "...") || part[0] == '*'
	})
	p.literal = true // the router has said that it matches
	return p, true
}

// areIDs reports of most routes, cheaply, that their wildcards are identifiers.
func areIDs(route string) bool {
	for {
		i := strings.IndexByte(route, '{')
		if i < 0 {
			return !strings.ContainsAny(route, ":*")
		}
		route = route[i+1:]
		switch {
		case strings.HasPrefix(route, "id}"), strings.HasPrefix(route, "uuid}"), strings.HasPrefix(route, "$}"):
		default:
			return false
		}
	}
}

// mayHide reports whether patterns may hide something of a path that can be
// read in one way only.
func mayHide(patterns []PathPattern, path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for i := range patterns {
		if want := patterns[i].segments[0]; want == "" || strings.EqualFold(want, first) {
			return true
		}
	}
	return false
}

// eachWildcard calls f with the segments of a route, and the names of those
// that are wildcards.
func (r *Redactor) eachWildcard(route string, f func(part, name string, hidden bool)) {
	before := ""
	for more := true; more; {
		var part string
		if part, route, more = strings.Cut(route, "/"); part == "" || part == "{$}" {
			continue
		}
		name := ""
		switch {
		case isWildcard(part):
			name, _, _ = strings.Cut(part[1:len(part)-1], ":")
		case part[0] == ':', part[0] == '*':
			name = part[1:]
		case strings.IndexByte(part, '{') >= 0: // chi: {id}-{token}
			name = part
		}
		f(part, name, name != "" && r.hidesWildcard(before, strings.TrimSuffix(name, "...")))
		if name == "" {
			before = part
		}
	}
}

// hidesWildcard reports whether a wildcard has a secret's name. The segment
// before it may say that it is none: "/settings/{key}", "/countries/{code}".
func (r *Redactor) hidesWildcard(before, name string) bool {
	if r.name(name) != always {
		return false
	}
	if r.hidden[fold(name)] {
		return true
	}
	before = strings.ToLower(before)
	for _, one := range [...]string{before, strings.TrimSuffix(before, "s"), strings.TrimSuffix(before, "es"), strings.TrimSuffix(before, "ies") + "y"} {
		if one != "" && rules.name(one+"_"+name) == never {
			return false
		}
	}
	return true
}

// normalSegment is a segment as the most lenient server reads it.
func normalSegment(s string) string {
	s = decodeAll(s)
	if i := strings.IndexAny(s, ";?#"); i >= 0 {
		s = s[:i]
	}
	s = strings.Trim(strings.Map(withoutControl, visibleOnly(s)), " +")
	if trimmed := strings.TrimRight(s, ". "); trimmed != "" {
		s = trimmed
	}
	return fold(s)
}

func withoutControl(r rune) rune {
	if r < ' ' {
		return -1
	}
	return r
}

// segment is a part of a path as the most lenient server reads it, and the part
// of the path as it stands from which it comes.
type segment struct {
	text       string
	start, end int
}

// segmentsOf takes a path apart, into list. clean reports whether there is one
// way only to do it.
func segmentsOf(list []segment, path string) (_ []segment, clean bool) {
	clean = true
	for start := 0; start <= len(path); {
		end, plain := start, true
		for end < len(path) && !isSlash(path[end]) {
			plain = plain && isPlainInPath(path[end])
			end++
		}
		raw := path[start:end]
		switch {
		case end < len(path) && path[end] == '\\':
			clean = false
		case raw == "" && start > 0 && end < len(path):
			clean = false
			list = append(list, segment{"", start, end})
		case raw == "":
		case plain && raw[0] != '.' && raw[len(raw)-1] != '.':
			list = append(list, segment{strings.ToLower(raw), start, end})
		}
		if raw != "" && (!plain || raw[0] == '.' || raw[len(raw)-1] == '.' || end < len(path) && path[end] == '\\') {
			clean = false
			for part := range strings.FieldsFuncSeq(decodeAll(raw), isSeparator) {
				list = append(list, segment{normalSegment(part), start, end})
			}
		}
		start = end + 1
	}
	return list, clean
}

// isSeparator reports whether r is, or is taken by somebody for, what divides
// the segments of a path.
func isSeparator(r rune) bool { return strings.ContainsRune(`/\∕⁄⧸∖⧵`, r) }

func isPlainInPath(c byte) bool {
	return isAlnum(c) || c == '-' || c == '_' || c == '.' || c == '~' || c == '=' || c == ',' || c == '@' || c == ':'
}

// resolve takes out what "." and ".." make of no effect.
func resolve(list []segment) []segment {
	resolved := make([]segment, 0, len(list))
	for _, s := range list {
		switch s.text {
		case ".", "":
		case "..":
			if len(resolved) > 0 {
				resolved = resolved[:len(resolved)-1]
			}
		default:
			resolved = append(resolved, s)
		}
	}
	return resolved
}

func withoutDots(list []segment) []segment {
	kept := make([]segment, 0, len(list))
	for _, s := range list {
		if s.text != "." && s.text != ".." && s.text != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// hiddenSegments calls f with the segments that patterns hide. anywhere says
// that the path may be the end of a longer one.
func hiddenSegments(patterns []PathPattern, path string, anywhere bool, f found) bool {
	if len(patterns) == 0 || path == "" {
		return false
	}
	var space [16]segment
	list, clean := segmentsOf(space[:0], path)
	readings := [][]segment{list}
	if !clean {
		readings = [][]segment{list, resolve(list), withoutDots(list)}
	}
	for _, p := range patterns {
		for _, reading := range readings {
			if p.match(reading, f) {
				return true
			}
			if clean && !anywhere || !p.literal {
				continue
			}
			for at := 1; at < len(reading); at++ {
				if p.match(reading[at:], f) {
					return true
				}
			}
		}
	}
	return false
}

// match calls f with what the pattern hides in a path. A path that ends too
// early, or differs behind the secret, is still one that holds it.
func (p *PathPattern) match(path []segment, f found) bool {
	n := min(len(p.segments), len(path))
	for i := range n {
		if p.segments[i] == "" || p.segments[i] == path[i].text {
			continue
		}
		if !p.literal {
			return false
		}
		n = i
		break
	}
	if !p.literal && (len(path) < len(p.segments) || len(path) > len(p.segments) && !p.rest) {
		return false
	}
	for i := range n {
		if !p.hidden[i] {
			continue
		}
		start, end := path[i].start, path[i].end
		if p.rest && i == len(p.segments)-1 {
			end = path[len(path)-1].end
		} else if path[i].text == "." || path[i].text == ".." {
			continue
		}
		if f(start, end) {
			return true
		}
	}
	return false
}
