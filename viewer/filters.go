package viewer

import (
	"errors"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// formKeys are the keys that have a field in the form, and manyValues those that
// can have many values as parameters.
var (
	formKeys   = []string{"admin", "action", "object", "tenant", "actor", "type", "method", "status", "outcome"}
	manyValues = []string{"type", "method", "status", "outcome"}
)

const mainMethods = 5 // how many of the methods the form always shows

var (
	mainTypes = []string{"web", "api", "cli", "job", "mcp"} // that the form always shows
	classes   = []string{"2xx", "3xx", "4xx", "5xx"}        // of statuses, that it always shows
)

// terms reads the search and the parameters that are keys of its grammar.
func (r *viewReader) terms(v *view) {
	var err error
	if v.terms, err = query.Read(v.search); err == nil {
		_, err = v.terms.Filter()
	}
	if bad, ok := errors.AsType[*query.Error](err); ok {
		v.terms = nil
		r.failQuery("q", bad)
	}
	for _, key := range query.Keys() {
		for _, s := range r.q[key] {
			if s = r.clean(key, s); s == "" {
				continue
			}
			value, err := query.Value(key, s)
			if bad, ok := errors.AsType[*query.Error](err); ok {
				r.failQuery(key, bad)
				continue
			}
			if t := (query.Term{Key: key, Value: value}); !slices.Contains(v.params, t) {
				v.params = append(v.params, t)
			}
		}
	}
}

// failQuery remembers what is wrong with a term.
func (r *viewReader) failQuery(field string, bad *query.Error) {
	switch {
	case r.bad != nil:
	case field == "q":
		args := map[query.Fault][]any{query.UnknownKey: {bad.Term, strings.Join(query.Keys(), ", ")}, query.TooLong: nil}
		if _, ok := args[bad.Fault]; !ok {
			args[bad.Fault] = []any{bad.Term}
		}
		r.bad = &viewError{field, "error.query." + string(bad.Fault), args[bad.Fault], bad}
	case field == "ip":
		r.fail(field, "error.bad_ip", "%w", bad)
	default:
		r.fail(field, "error.bad_filter", "%w", bad)
	}
}

// values are the view's values of a key among its parameters.
func (v *view) paramValues(key string) (values []string) {
	for _, t := range v.params {
		if t.Key == key {
			values = append(values, t.Value)
		}
	}
	return values
}

// param is the first of them, or "".
func (v *view) param(key string) string {
	if values := v.paramValues(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// setParam makes value the only one of a key, or, if it is empty, takes the key
// out. Values that are none are not set.
func (v *view) setParam(key, value string) {
	v.params = slices.DeleteFunc(slices.Clone(v.params), func(t query.Term) bool { return t.Key == key })
	if value, err := query.Value(key, value); err == nil {
		v.params = append(v.params, query.Term{Key: key, Value: value})
	}
}
