package instrumentation

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Rule says which requests are meant: which to leave out of the record
// ([WithFilter]), to record before they are handled ([WithStrict]), or to handle
// only if they say why ([WithRequiredReason]). Make one with [Routes] or [When].
type Rule struct {
	routes   []route // one of the two is set
	when     func(*http.Request) bool
	patterns []string // of routes, as given
	err      error
}

// verdict is what a rule says of a request. Where a rule decides whether to
// look away, only yes counts; where it decides whether to be strict, all but no.
type verdict int

const (
	no verdict = iota
	unsure
	yes
)

// Routes is the rule of the requests that match one of the patterns, written
// as for [http.ServeMux] but without a host, which the client chooses:
// "GET /healthz", "/assets/", "DELETE /clients/{id}". Patterns can't conflict.
//
// A request that some server, router or framework might read as another one
// matches no filter, and every strict rule:
//
//   - a path that is not plain: dots, slashes or backslashes that climb or
//     repeat, escapes of what need not be escaped, an escaped escape, ";", NUL,
//     characters that become others when they are normalized; see
//     docs/instrumentation.md for the whole list;
//   - a path that differs from the pattern's in its case, in a slash or in a
//     file extension at its end;
//   - where the pattern has a method: a method in another case, and one that may
//     be overridden, in a header (X-HTTP-Method-Override), in the query, or in
//     the form or JSON that a POST brings;
//   - a request in which X-Original-URL, X-Rewrite-URL or a relative of theirs
//     says another path, and one of these headers written with underscores.
func Routes(patterns ...string) Rule {
	if len(patterns) == 0 {
		return Rule{err: errors.New("no patterns given to Routes")}
	}
	rule := Rule{routes: make([]route, 0, len(patterns)), patterns: slices.Clone(patterns)}
	for _, p := range patterns {
		route, err := parseRoute(p)
		if err != nil {
			return Rule{err: err}
		}
		rule.routes = append(rule.routes, route)
	}
	return rule
}

// When is the rule of the requests for which f returns true. f is called for
// every request, from many goroutines at once, before the request is handled,
// and must not read the body. If it panics, the request ends as if its handler
// had, and is recorded.
func When(f func(*http.Request) bool) Rule {
	if f == nil {
		return Rule{err: errors.New("nil function given to When")}
	}
	return Rule{when: f}
}

func (r *Rule) isZero() bool { return r.err == nil && r.routes == nil && r.when == nil }

func (r *Rule) check() error {
	if r.isZero() {
		return fmt.Errorf("zero Rule given: make one with Routes or When")
	}
	return r.err
}

// allowsMethod reports whether the method of a request, or one that may override
// it, is one that the rule means: a request that only reads is no deletion,
// whatever its path is.
func (r *Rule) allowsMethod(req *http.Request) bool {
	return r.when != nil || slices.ContainsFunc(r.routes, func(route route) bool {
		return route.method == "" || route.matchMethod(req) != no
	})
}

func (r *Rule) match(req *http.Request) verdict {
	if r.when != nil {
		if r.when(req) {
			return yes
		}
		return no
	}
	if !isPlainRequest(req) {
		return unsure
	}
	most := no
	for i := range r.routes {
		most = max(most, r.routes[i].match(req))
		if most == yes {
			break
		}
	}
	if most == yes && hasPathInDisguise(req.Header) {
		return unsure
	}
	return most
}
