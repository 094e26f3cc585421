package instrumentation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// redaction decides what of a URL is shown.
type redaction struct {
	all    bool            // every query parameter's value is hidden
	hidden map[string]bool // further names, in small letters
	shown  map[string]bool // names that only look like a secret's, in small letters
	paths  []pathPattern
}

// hides reports whether the value of a query parameter, both as they stand in
// the URL, is left out.
func (d *redaction) hides(name, value string) bool {
	if strings.IndexByte(name, '%') >= 0 {
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
	}
	if d.all {
		return true
	}
	if len(d.hidden) > 0 && d.hidden[strings.ToLower(name)] {
		return true
	}
	if isSecretName(name) && (len(d.shown) == 0 || !d.shown[strings.ToLower(name)]) {
		return true
	}
	return isSecretValue(value)
}

// appendQuery appends a raw query with what must not be shown replaced. It
// divides at semicolons too: some servers take them for ampersands.
func (d *redaction) appendQuery(b []byte, raw string) []byte {
	for raw != "" {
		pair, separator := raw, ""
		if i := strings.IndexAny(raw, "&;"); i >= 0 {
			pair, separator, raw = raw[:i], raw[i:i+1], raw[i+1:]
		} else {
			raw = ""
		}
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && d.hides(name, value) {
			b = append(b, name...)
			b = append(b, '=')
			b = append(b, Redacted...)
		} else {
			b = append(b, pair...)
		}
		b = append(b, separator...)
	}
	return b
}

// appendURLText appends a URL that comes as text, from a header: without its
// user-info, with its query redacted and its fragment dropped.
func (d *redaction) appendURLText(b []byte, s string) []byte {
	s, _, _ = strings.Cut(s, "#")
	s, query, hasQuery := strings.Cut(s, "?")
	if i := strings.Index(s, "//"); i >= 0 {
		b = append(b, s[:i+2]...)
		s = s[i+2:]
		authority, path := s, ""
		if j := strings.IndexByte(s, '/'); j >= 0 {
			authority, path = s[:j], s[j:]
		}
		b = append(b, authority[strings.LastIndexByte(authority, '@')+1:]...)
		s = path
	}
	b = d.appendPath(b, s)
	if hasQuery {
		b = append(b, '?')
		b = d.appendQuery(b, query)
	}
	return b
}

// appendPath appends an escaped path with the segments that a pattern hides
// replaced.
func (d *redaction) appendPath(b []byte, path string) []byte {
	for i := range d.paths {
		if d.paths[i].matches(path) {
			return d.paths[i].appendRedacted(b, path)
		}
	}
	return append(b, path...)
}

// pathPattern is a path in which some segments are secrets, see
// [WithRedactedPath].
type pathPattern struct {
	segments []string // "{…}" hides, "*" is any, "{…...}" hides the rest
}

func parsePathPattern(s string) (pathPattern, error) {
	if !strings.HasPrefix(s, "/") {
		return pathPattern{}, fmt.Errorf("path pattern %q does not start with a slash", s)
	}
	segments := strings.Split(s[1:], "/")
	hides := false
	for i, seg := range segments {
		if strings.ContainsAny(seg, "{}") {
			if !isHidden(seg) || len(seg) == 2 {
				return pathPattern{}, fmt.Errorf("path pattern %q: segment %q is neither plain nor a {name}", s, seg)
			}
			if isRest(seg) && i != len(segments)-1 {
				return pathPattern{}, fmt.Errorf("path pattern %q: %q is not at the end", s, seg)
			}
			hides = true
		}
	}
	if !hides {
		return pathPattern{}, errors.New("path pattern " + s + ` names no segment to hide: write it as "/invite/{token}"`)
	}
	return pathPattern{segments}, nil
}

func isHidden(seg string) bool {
	return len(seg) >= 2 && seg[0] == '{' && seg[len(seg)-1] == '}'
}

func isRest(seg string) bool { return isHidden(seg) && strings.HasSuffix(seg, "...}") }

func (p pathPattern) matches(path string) bool {
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return false
	}
	for i, want := range p.segments {
		if isRest(want) {
			return true
		}
		seg, rest, more := strings.Cut(path, "/")
		if want != "*" && !isHidden(want) && want != seg {
			return false
		}
		if lastSegment := i == len(p.segments)-1; lastSegment {
			// One slash at the end is the same path to most routers.
			return !more || rest == ""
		}
		if !more {
			return false
		}
		path = rest
	}
	return false
}

// appendRedacted must be given a path that matches.
func (p pathPattern) appendRedacted(b []byte, path string) []byte {
	path = path[1:]
	for _, want := range p.segments {
		b = append(b, '/')
		if isRest(want) {
			return append(b, Redacted...)
		}
		seg, rest, more := strings.Cut(path, "/")
		if isHidden(want) && seg != "" {
			b = append(b, Redacted...)
		} else {
			b = append(b, seg...)
		}
		path = rest
		if more && rest == "" {
			b = append(b, '/')
		}
	}
	return b
}
