package instrumentation

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// route is a pattern of [Routes].
type route struct {
	method   string    // "" for any
	segments []segment // between the slashes, without what ending stands for
	ending   ending
}

// segment is one of a route's path, unescaped.
type segment struct {
	text string
	any  bool // {name}
}

// ending is how a route's path goes on behind its segments.
type ending int

const (
	ends   ending = iota // it does not: /healthz
	prefix               // a slash, and anything: /assets/, /files/{path...}
	slash                // a slash, and nothing: /admin/{$}
)

func parseRoute(pattern string) (route, error) {
	if pattern == "" {
		return route{}, errors.New("empty pattern given to Routes")
	}
	if err := checkPattern(pattern); err != nil {
		return route{}, err
	}
	var r route
	path := pattern
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		r.method, path = pattern[:i], strings.TrimLeft(pattern[i:], " \t")
	}
	if path[0] != '/' {
		return route{}, fmt.Errorf("pattern %q names a host, which is whatever the client says; leave it out", pattern)
	}
	parts := strings.Split(path[1:], "/")
	last := parts[len(parts)-1]
	switch {
	case last == "", strings.HasSuffix(last, "...}"):
		r.ending, parts = prefix, parts[:len(parts)-1]
	case last == "{$}":
		r.ending, parts = slash, parts[:len(parts)-1]
	}
	for _, p := range parts {
		if strings.HasPrefix(p, "{") {
			r.segments = append(r.segments, segment{any: true})
			continue
		}
		text, err := url.PathUnescape(p)
		if err != nil {
			return route{}, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		r.segments = append(r.segments, segment{text: text})
	}
	return r, nil
}

// checkPattern lets a ServeMux say what is wrong with a pattern, which it does
// in a panic.
func checkPattern(pattern string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("pattern %q: %v", pattern, v)
		}
	}()
	http.NewServeMux().Handle(pattern, http.NotFoundHandler())
	return nil
}

// match is asked about a plain request only.
func (r *route) match(req *http.Request) verdict {
	v := r.matchPath(req.URL.Path)
	if v == no || r.method == "" {
		return v
	}
	return min(v, r.matchMethod(req))
}

func (r *route) matchPath(path string) verdict {
	v := yes
	rest, more := strings.CutPrefix(path, "/")
	for i := range r.segments {
		if !more {
			return no
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if v = min(v, r.segments[i].match(part, i == len(r.segments)-1)); v == no {
			return no
		}
	}
	switch {
	case r.ending == ends && !more, r.ending == prefix && more, r.ending == slash && more && rest == "":
		return v
	case rest == "": // a slash too many or too few
		return unsure
	}
	return no
}

// match compares a segment of a path with the route's. last says that it is the
// route's last, where frameworks take an extension for the format of the answer.
func (s *segment) match(part string, last bool) verdict {
	switch {
	case s.any:
		if part == "" {
			return no
		}
		return yes
	case part == s.text:
		return yes
	case !isPlainSegment(part), strings.EqualFold(part, s.text):
		return unsure
	case last && len(part) > len(s.text) && part[len(s.text)] == '.' && strings.EqualFold(part[:len(s.text)], s.text):
		return unsure
	}
	return no
}

// matchMethod compares the method the way a ServeMux does, but is unsure of
// one that is not certain to be acted on.
func (r *route) matchMethod(req *http.Request) verdict {
	sent := req.Method
	if sent == "" {
		sent = http.MethodGet
	}
	same := sent == r.method || r.method == http.MethodGet && sent == http.MethodHead
	switch {
	case !same && strings.EqualFold(sent, r.method), mayOverrideMethod(req):
		return unsure
	case same:
		return yes
	}
	return no
}
