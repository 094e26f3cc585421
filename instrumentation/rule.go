package instrumentation

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// Rule says of a request whether it is meant: whether it is left out of the
// record ([WithFilter]) or must be recorded before it is handled
// ([WithStrict]). Make one with [Routes] or [When].
type Rule struct {
	match func(*http.Request) verdict
	err   error
}

// verdict is what a rule says of a request.
type verdict int

const (
	no verdict = iota
	yes
	// unsure is said of a path that routers read in different ways. Where the
	// rule decides whether to be strict it counts as yes, and where it decides
	// whether to look away it counts as no.
	unsure
)

// Routes is the rule of the requests that match one of the patterns, written
// as for [http.ServeMux]: "GET /healthz", "/assets/", "admin.example/login".
//
// A path that is not in its clean form ("/assets/../users", "//healthz"), that
// hides a slash ("/assets%2f..") or that only lacks the last one ("/assets")
// means different things to different routers. Such a request matches no
// filter, and every strict rule.
func Routes(patterns ...string) Rule {
	if len(patterns) == 0 {
		return Rule{err: fmt.Errorf("no patterns given to Routes")}
	}
	mux := http.NewServeMux()
	var beginnings []string
	for _, p := range patterns {
		if err := register(mux, p); err != nil {
			return Rule{err: err}
		}
		beginnings = append(beginnings, beginning(p))
	}
	return Rule{match: func(r *http.Request) verdict {
		if !isCleanPath(r) {
			return unsure
		}
		if !slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(r.URL.Path, b) }) {
			return no // as most requests are; the mux would say so in ten times the time
		}
		h, pattern := mux.Handler(r)
		if _, matched := h.(meant); matched {
			return yes
		}
		if pattern != "" { // a redirect, from /assets to /assets/
			return unsure
		}
		return no
	}}
}

// beginning returns what every path that a pattern matches, or is redirected
// to, begins with.
func beginning(pattern string) string {
	path := pattern[max(strings.IndexByte(pattern, '/'), 0):]
	if i := strings.IndexAny(path, "{%"); i >= 0 {
		path = path[:i]
	}
	return strings.TrimSuffix(path, "/")
}

// meant is the handler of every pattern of a rule. It is never called.
type meant struct{}

func (meant) ServeHTTP(http.ResponseWriter, *http.Request) {}

// register turns the panic with which a ServeMux answers a bad pattern into an
// error.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("pattern %q: %v", pattern, v)
		}
	}()
	mux.Handle(pattern, meant{})
	return nil
}

func isCleanPath(r *http.Request) bool {
	p := r.URL.Path
	if r.URL.RawPath != "" {
		return false
	}
	if p == "" || p == "*" {
		return true
	}
	c := path.Clean(p)
	return p == c || len(p) == len(c)+1 && p[len(p)-1] == '/' && p[:len(c)] == c
}

// When is the rule of the requests for which f returns true. f is called for
// every request, from many goroutines at once, before the request is handled,
// and must not read the body.
func When(f func(*http.Request) bool) Rule {
	if f == nil {
		return Rule{err: fmt.Errorf("nil function given to When")}
	}
	return Rule{match: func(r *http.Request) verdict {
		if f(r) {
			return yes
		}
		return no
	}}
}

func (r Rule) check() error {
	if r.err == nil && r.match == nil {
		return fmt.Errorf("zero Rule given: make one with Routes or When")
	}
	return r.err
}
