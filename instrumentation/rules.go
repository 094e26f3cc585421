package instrumentation

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// PolicyRule says how some requests are treated. What it says of the request
// (Match, Types, Actors, Statuses) must all hold for the rule to match; what is
// left empty holds of every request.
type PolicyRule struct {
	// Name says in messages, and in the counter of filtered requests, which
	// rule it was.
	Name string

	Match    Rule                 // the zero Rule means every request
	Types    []adminsessions.Type // WEB, API
	Actors   []adminsessions.ActorType
	Statuses []StatusRange

	// CountOnly leaves the requests out of the record: they are counted only.
	CountOnly bool
	// FormFields and JSONFields are recorded as with [WithFormFields] and
	// [WithBodyFields], beside those that these options name. BodyHash records
	// the SHA-256 of the body.
	FormFields, JSONFields []string
	BodyHash               bool
	// Strict is [WithStrict] for the requests, RequireReason is
	// [WithRequiredReason].
	Strict, RequireReason bool
}

// ActorAnonymous stands in a [PolicyRule] for nobody: a request that nobody is
// signed in to.
const ActorAnonymous adminsessions.ActorType = "anonymous"

// StatusRange is a range of status codes, both ends within.
type StatusRange struct{ First, Last int }

// Treatment is what a policy asks of a request.
type Treatment struct {
	Rules                  []string // the rules that may match, by their names
	CountOnly              bool
	FormFields, JSONFields []string
	BodyHash               bool
	Strict, RequireReason  bool
}

// Policy is a list of rules of which the first that matches a request says how
// it is treated. A request that matches none is recorded.
//
// Whether a rule matches can be unsure: a request that some server might read
// as another one (see [Routes]), and before a request is handled everything that
// depends on its status and on who sends it. Then the rules behind are asked as
// well, and the request gets the most that one of them asks for: it is recorded
// unless all agree that it is only counted, strict if one is strict, with the
// fields of all.
type Policy struct {
	// Source says where the rules come from, such as a file and its hash. It is
	// on record with the rest of what the middleware records.
	Source string

	rules []policyRule
}

type policyRule struct {
	PolicyRule
	forms   []formField
	json    []bodyField
	matched *atomic.Int64 // requests left out; of one middleware's counters
}

// NewPolicy makes a policy of rules, and says of each what is wrong with it.
func NewPolicy(rules ...PolicyRule) (*Policy, error) {
	p := &Policy{rules: make([]policyRule, len(rules))}
	var errs []error
	for i, r := range rules {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("policy rule %q: %w", r.Name, fmt.Errorf(format, args...)))
		}
		if r.Name == "" {
			fail("has no name")
		}
		if !r.Match.isZero() {
			if err := r.Match.check(); err != nil {
				fail("%w", err)
			}
		}
		for _, t := range r.Types {
			if t != adminsessions.Web && t != adminsessions.API {
				fail("type %q: want %s or %s", t, adminsessions.Web, adminsessions.API)
			}
		}
		for _, a := range r.Actors {
			if !slices.Contains(PolicyActors(), a) {
				fail("actor %q: want one of %q", a, PolicyActors())
			}
		}
		for _, s := range r.Statuses {
			if s.First < 100 || s.Last > 999 || s.First > s.Last {
				fail("statuses %d to %d: want 100 to 999", s.First, s.Last)
			}
		}
		if r.CountOnly && (len(r.FormFields) > 0 || len(r.JSONFields) > 0 || r.BodyHash || r.Strict || r.RequireReason) {
			fail("what is only counted has no record that could have fields, a hash or a reason, or be strict")
		}
		if (r.Strict || r.RequireReason) && (len(r.Statuses) > 0 || len(r.Actors) > 0) {
			fail("whether a request is strict, or needs a reason, is decided before it is handled, when its status and who sends it are not known: leave statuses and actors out")
		}
		p.rules[i] = policyRule{PolicyRule: r}
		var err error
		if p.rules[i].forms, err = formFieldsOf(r.FormFields); err != nil {
			fail("form fields: %w", err)
		}
		if p.rules[i].json, err = bodyFieldsOf(r.JSONFields); err != nil {
			fail("JSON fields: %w", err)
		}
	}
	return p, errors.Join(errs...)
}

// PolicyActors are the kinds of actors that a rule can name.
func PolicyActors() []adminsessions.ActorType {
	return []adminsessions.ActorType{
		ActorAnonymous, adminsessions.ActorUser, adminsessions.ActorService, adminsessions.ActorAgent, adminsessions.ActorSystem,
	}
}

// WithPolicy treats each request as the policy says, beside what the other
// options say: what one of them makes strict stays strict, and what a filter
// leaves out stays out. nil is no policy.
//
// A rule that depends on the status or the actor, and has requests only
// counted, is asked when the request has ended. It never leaves out a request
// that was recorded as started, nor one that ended in an error, nor an attempt to
// sign in. A request of which somebody says that he could not find out who sent it
// (attribute admin.who) is of no actor that a rule names.
func WithPolicy(p *Policy) Option {
	return func(c *config) error {
		if p == nil {
			c.rules = nil
			return nil
		}
		c.rules = &Policy{p.Source, slices.Clone(p.rules)} // each middleware has counters of its own
		return nil
	}
}

// count says where the requests that are left out are counted.
func (p *Policy) count(s *counters.Set) {
	for i := range p.rules {
		if p.rules[i].CountOnly {
			p.rules[i].matched = s.Filter(p.rules[i].Name)
		}
	}
}

// Of returns what the policy asks of an event that has been recorded, as far
// as that can be told from it: its URL has lost its secrets, and its headers are
// not known.
func (p *Policy) Of(e *adminsessions.Event) Treatment {
	method := e.Method
	if e.SentMethod != "" {
		method = e.SentMethod
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		u = &url.URL{Path: "//"} // a path that is not plain: every rule is unsure of it
	}
	t := p.begin(&http.Request{Method: method, URL: u})
	t.known(e)
	return t.described()
}

// Before returns what the policy asks of a request before it is handled.
func (p *Policy) Before(r *http.Request) Treatment {
	t := p.begin(r)
	t.foresee(defaultType(r))
	return t.described()
}

// treatment is what a policy asks of one request. verdicts are what the rules
// say of the request by itself; candidates are the rules that may match by what
// is known at the time.
type treatment struct {
	policy     *Policy
	verdicts   []verdict
	candidates []*policyRule
	sure       bool // the last of the candidates matches, none behind it is asked
}

func (p *Policy) begin(r *http.Request) *treatment {
	t := &treatment{policy: p, verdicts: make([]verdict, len(p.rules))}
	for i := range p.rules {
		t.verdicts[i] = yes
		if match := &p.rules[i].Match; !match.isZero() {
			t.verdicts[i] = match.match(r)
			// As with WithRequiredReason: who only reads is not turned away because
			// his path can be read in two ways.
			if t.verdicts[i] == unsure && p.rules[i].RequireReason && !match.allowsMethod(r) {
				t.verdicts[i] = no
			}
		}
	}
	return t
}

// foresee finds the rules that may match a request that is not handled yet.
// kind is its type, or "" if that is not known either.
func (t *treatment) foresee(kind adminsessions.Type) {
	t.choose(func(r *policyRule) verdict {
		switch {
		case kind != "" && len(r.Types) > 0 && !slices.Contains(r.Types, kind):
			return no
		case kind == "" && len(r.Types) > 0, len(r.Actors) > 0, len(r.Statuses) > 0:
			return unsure
		}
		return yes
	})
}

// known finds the rules that match a request that has ended.
func (t *treatment) known(e *adminsessions.Event) {
	actor := e.Actor.Type
	switch {
	case actor != "":
	case slices.ContainsFunc(e.Attributes, func(kv attribute.KeyValue) bool { return kv.Key == whoKey }):
		// Somebody, nobody knows who: no rule that names actors means him.
	case e.Anonymous():
		actor = ActorAnonymous
	default:
		actor = adminsessions.ActorUser
	}
	t.choose(func(r *policyRule) verdict {
		if len(r.Types) > 0 && !slices.Contains(r.Types, e.Type) ||
			len(r.Actors) > 0 && !slices.Contains(r.Actors, actor) ||
			len(r.Statuses) > 0 && !slices.ContainsFunc(r.Statuses, func(s StatusRange) bool { return s.First <= e.StatusCode && e.StatusCode <= s.Last }) {
			return no
		}
		return yes
	})
}

func (t *treatment) choose(rest func(*policyRule) verdict) {
	t.candidates, t.sure = t.candidates[:0], false
	for i := range t.policy.rules {
		r := &t.policy.rules[i]
		v := min(t.verdicts[i], rest(r))
		if v == no {
			continue
		}
		t.candidates = append(t.candidates, r)
		if t.sure = v == yes; t.sure {
			return
		}
	}
}

// countOnly returns the rule by which the request is only counted, or nil. It
// must be sure, and the others that may match must agree.
func (t *treatment) countOnly() *policyRule {
	if t == nil || !t.sure || slices.ContainsFunc(t.candidates, func(r *policyRule) bool { return !r.CountOnly }) {
		return nil
	}
	return t.candidates[0]
}

func (t *treatment) strict() bool {
	return t.asks(func(r *policyRule) bool { return r.Strict })
}

// asks reports whether one of the rules that may match says so.
func (t *treatment) asks(f func(*policyRule) bool) bool {
	return t != nil && slices.ContainsFunc(t.candidates, f)
}

func (t *treatment) described() Treatment {
	d := Treatment{CountOnly: t.countOnly() != nil, Strict: t.strict(), RequireReason: t.asks(func(r *policyRule) bool { return r.RequireReason })}
	for _, r := range t.candidates {
		d.Rules = append(d.Rules, r.Name)
		d.FormFields = appendMissing(d.FormFields, r.FormFields)
		d.JSONFields = appendMissing(d.JSONFields, r.JSONFields)
		d.BodyHash = d.BodyHash || r.BodyHash
	}
	return d
}

func appendMissing(all, more []string) []string {
	for _, s := range more {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// inWords are the rules, for the record.
func (p *Policy) inWords() string {
	var rules []string
	for i := range p.rules {
		r := &p.rules[i]
		words := []string{r.Name + ":"}
		add := func(given bool, what ...any) {
			if given {
				words = append(words, strings.TrimSpace(fmt.Sprintln(what...)))
			}
		}
		if !r.Match.isZero() {
			words = append(words, r.Match.inWords())
		}
		add(len(r.Types) > 0, "types", r.Types)
		add(len(r.Actors) > 0, "actors", r.Actors)
		add(len(r.Statuses) > 0, "statuses", r.Statuses)
		add(r.CountOnly, "only counted")
		add(len(r.FormFields) > 0, "form fields", r.FormFields)
		add(len(r.JSONFields) > 0, "JSON fields", r.JSONFields)
		add(r.BodyHash, "SHA-256 of the body")
		add(r.Strict, "strict")
		add(r.RequireReason, "reason required")
		rules = append(rules, strings.Join(words, " "))
	}
	return strings.Join(rules, "; ")
}

// treat asks the policy about a request that has arrived. It may panic with
// what an application's function panics with.
func (m *middleware) treat(r *http.Request) *treatment {
	if m.rules == nil || len(m.rules.rules) == 0 {
		return nil
	}
	t := m.rules.begin(r)
	kind := adminsessions.Type("") // an application's function tells it later
	if m.typeOf == nil {
		kind = defaultType(r)
	}
	t.foresee(kind)
	return t
}

// whoKey is the attribute by which adminsessions proxy says that it could not be
// found out who sent a request.
const whoKey = "admin.who"

// isCountOnly reports whether a request that has ended is only counted, and
// counts it.
func (s *scope) isCountOnly(rec *record) bool {
	if s.treatment == nil {
		return false
	}
	s.treatment.known(&rec.event)
	r := s.treatment.countOnly()
	if r == nil || rec.startedSent || rec.event.ErrorType != "" || rec.event.SignIn.Outcome != "" {
		return false
	}
	r.matched.Add(1)
	return true
}
