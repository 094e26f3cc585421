package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/policy/strictyaml"
)

// Config is the section policy of a file. What its fields mean stands in their
// tags, from which docs/policy.md is made.
type Config struct {
	Profile string `yaml:"profile" doc:"Rules that come with the program, asked after those below: everything (no rules, the default), quiet (assets, probes and answers 304 are only counted) or strict-writes (quiet, and whatever may change something is recorded before it is done, with the SHA-256 of its body)."`
	Rules   []Rule `yaml:"rules" doc:"The first that matches a request says how it is treated. A request that none matches is recorded, with its line."`

	StrictTimeout  time.Duration `yaml:"strict_timeout" doc:"How long a strict request waits for its record; then it is answered with 503. Default 2s."`
	StartedAfter   time.Duration `yaml:"started_after" doc:"After what time a request that still runs is recorded as started. Default 10s."`
	AnonymousLimit int           `yaml:"anonymous_limit" doc:"How many requests of one address that nobody is signed in to are recorded one by one in ten seconds; the others are counted in folded records. Default 30."`

	Headers    []string `yaml:"headers" doc:"Request headers that are recorded, as attributes http.request.header.NAME."`
	FormFields []string `yaml:"form_fields" doc:"Fields of forms that are recorded of every request, as attributes admin.form.NAME."`

	RequestIDHeader   *string        `yaml:"request_id_header" doc:"The header with the request's id. Default X-Request-Id; an empty one sends none."`
	TrustedProxies    TrustedProxies `yaml:"trusted_proxies" doc:"Whom to believe the client's address, scheme and host. Default nobody."`
	TruncateAddresses Truncation     `yaml:"truncate_addresses" doc:"Networks are recorded instead of addresses."`
	Redact            Redaction      `yaml:"redact" doc:"What is hidden beside what looks like a secret by itself."`
}

// Rule is one of the rules; what it says of the request must all hold.
type Rule struct {
	Name    string   `yaml:"name" doc:"What messages and the counter of filtered requests call it. Required."`
	Paths   []string `yaml:"paths" doc:"Patterns as in Go's http.ServeMux: /healthz, /assets/ and all below it, GET /clients/{id}. A request that some server might read as another one is taken for all that it may be, and gets the most that one of its rules asks for."`
	Methods []string `yaml:"methods" doc:"GET, POST, … of the paths, or of all paths if there are none."`
	Types   []string `yaml:"types" doc:"WEB or API."`
	Actors  []string `yaml:"actors" doc:"anonymous, user, service, agent or system."`
	Status  []string `yaml:"status" doc:"Of the answer: 404, 4xx, 200-299."`

	Record     string   `yaml:"record" doc:"line (the default), or count: nothing but a number in the metrics."`
	FormFields []string `yaml:"form_fields" doc:"Fields of forms that are recorded, as attributes admin.form.NAME."`
	JSONFields []string `yaml:"json_fields" doc:"Fields of JSON bodies that are recorded, as attributes admin.body.NAME; dots lead into objects: client.plan."`
	BodyHash   bool     `yaml:"body_sha256" doc:"The SHA-256 of the body is recorded, as attribute admin.body.sha256."`
	Reason     bool     `yaml:"reason_required" doc:"A request that says no reason (header X-Audit-Reason, or form field audit_reason) is answered with 428 and a page that asks for it. Not together with actors or status."`
	Strict     bool     `yaml:"strict" doc:"The request is recorded, synced to disk, before it is handled, or not handled at all. Not together with actors or status."`
}

// TrustedProxies says which peers are believed.
type TrustedProxies struct {
	Header     string         `yaml:"header" doc:"X-Forwarded-For (the default), Forwarded, or one with one address: X-Real-IP, CF-Connecting-IP."`
	Addresses  []netip.Prefix `yaml:"addresses" doc:"The proxies, as narrowly as can be: 10.0.0.5/32."`
	UnixSocket bool           `yaml:"unix_socket" doc:"What comes through a Unix socket is believed as well."`
	Hops       int            `yaml:"hops" doc:"How many proxies of ours there are at most. Default any number."`
}

// Truncation shortens addresses.
type Truncation struct {
	IPv4 int `yaml:"ipv4" doc:"Bits of an IPv4 address that are kept: 24."`
	IPv6 int `yaml:"ipv6" doc:"Bits of an IPv6 address that are kept: 48."`
}

// Redaction says what is hidden.
type Redaction struct {
	Query []string `yaml:"query" doc:"Names whose values are hidden, of query parameters and wherever else a name stands before a value; * hides all parameters."`
	Shown []string `yaml:"shown" doc:"Names that only look like a secret's: badge_code."`
	Paths []string `yaml:"paths" doc:"Segments of paths that are hidden: what stands in braces in /invite/{token}/accept."`
}

// Policy is a section that has been understood.
type Policy struct {
	// Options are what the section says, the rules among them.
	Options []instrumentation.Option
	// Rules are the rules alone, those of the profile last.
	Rules *instrumentation.Policy
}

// file is a file that may have other sections as well.
type file struct {
	Policy *Config        `yaml:"policy"`
	Others map[string]any `yaml:",inline"`
}

// Load reads the section policy of a file into options of package
// instrumentation. The error names every fault by its line. Sections beside it
// belong to others, such as adminsessions proxy, and are not looked at.
func Load(path string) ([]instrumentation.Option, error) {
	p, err := Read(path)
	if err != nil {
		return nil, err
	}
	return p.Options, nil
}

// Read is [Load], and gives the rules as well.
func Read(path string) (*Policy, error) {
	doc, err := strictyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", err)
	}
	var f file
	if err := doc.Decode(&f); err != nil {
		return nil, err
	}
	if f.Policy == nil {
		return nil, fmt.Errorf("%s: it has no section policy", path)
	}
	return f.Policy.Build(doc, "policy")
}

// Build makes options of a section that stands at a path of a document.
func (c *Config) Build(doc *strictyaml.Document, path string) (*Policy, error) {
	b := builder{doc: doc, path: path}
	b.option("strict_timeout", c.StrictTimeout != 0, instrumentation.WithStrictTimeout(c.StrictTimeout))
	b.option("started_after", c.StartedAfter != 0, instrumentation.WithStartedAfter(c.StartedAfter))
	b.option("anonymous_limit", c.AnonymousLimit != 0, instrumentation.WithAnonymousLimit(c.AnonymousLimit))
	b.option("headers", len(c.Headers) > 0, instrumentation.WithHeaders(c.Headers...))
	b.option("form_fields", len(c.FormFields) > 0, instrumentation.WithFormFields(c.FormFields...))
	if c.RequestIDHeader != nil {
		b.option("request_id_header", true, instrumentation.WithRequestIDHeader(*c.RequestIDHeader))
	}
	header := instrumentation.ForwardedHeader(c.TrustedProxies.Header)
	if header == "" {
		header = instrumentation.XForwardedFor
	}
	t := c.TrustedProxies
	if len(t.Addresses) == 0 && !t.UnixSocket && (t.Header != "" || t.Hops != 0) {
		b.fail("trusted_proxies", "names no addresses, and not unix_socket: nobody would be believed")
	}
	var proxies []instrumentation.Option
	if len(t.Addresses) > 0 {
		proxies = append(proxies, instrumentation.WithTrustedProxies(header, t.Addresses...))
	}
	if t.UnixSocket {
		proxies = append(proxies, instrumentation.WithTrustedUnixSocket(header))
	}
	if t.Hops != 0 {
		proxies = append(proxies, instrumentation.WithProxyHops(t.Hops))
	}
	b.option("trusted_proxies", len(proxies) > 0, proxies...)
	b.option("truncate_addresses", c.TruncateAddresses != Truncation{}, instrumentation.WithTruncatedAddresses(c.TruncateAddresses.IPv4, c.TruncateAddresses.IPv6))
	b.option("redact.query", len(c.Redact.Query) > 0, instrumentation.WithRedactedQuery(c.Redact.Query...))
	b.option("redact.shown", len(c.Redact.Shown) > 0, instrumentation.WithShownQuery(c.Redact.Shown...))
	b.option("redact.paths", len(c.Redact.Paths) > 0, instrumentation.WithRedactedPath(c.Redact.Paths...))
	rules := b.rules(c)
	if len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	policy, err := instrumentation.NewPolicy(rules...)
	if err != nil {
		return nil, doc.Errorf(path, "%w", err)
	}
	policy.Source = doc.Digest()
	return &Policy{Options: append(b.options, instrumentation.WithPolicy(policy)), Rules: policy}, nil
}

// builder collects options, and what is wrong.
type builder struct {
	doc     *strictyaml.Document
	path    string
	options []instrumentation.Option
	errs    []error
}

func (b *builder) fail(key, format string, args ...any) {
	b.errs = append(b.errs, b.doc.Errorf(b.path+"."+key, format, args...))
}

// option adds options, and tries whether they make sense by themselves.
func (b *builder) option(key string, given bool, opts ...instrumentation.Option) {
	if !given {
		return
	}
	if _, err := instrumentation.NewMiddleware(opts...); err != nil {
		b.fail(key, "%s", inOwnWords(err))
		return
	}
	b.options = append(b.options, opts...)
}

var optionNames = regexp.MustCompile(`instrumentation: With[A-Za-z]+: `)

// inOwnWords is an error of an option without the option's name: who writes the
// file knows the key.
func inOwnWords(err error) string {
	return strings.ReplaceAll(optionNames.ReplaceAllString(err.Error(), ""), "\n", "; ")
}

func (b *builder) rules(c *Config) (rules []instrumentation.PolicyRule) {
	more, ok := profiles()[c.Profile]
	if !ok {
		b.fail("profile", "%q: want everything, quiet or strict-writes", c.Profile)
	}
	names := map[string]bool{}
	for i, r := range slices.Concat(c.Rules, more) {
		key := fmt.Sprintf("rules[%d]", i)
		rule, err := r.rule()
		if err == nil {
			_, err = instrumentation.NewPolicy(rule)
		}
		if err != nil {
			b.fail(key, "%w", err)
			continue
		}
		if names[r.Name] && i < len(c.Rules) {
			b.fail(key, "a second rule has the name %q", r.Name)
		}
		names[r.Name] = true
		rules = append(rules, rule)
	}
	return rules
}

// rule is the rule in the library's words.
func (r *Rule) rule() (instrumentation.PolicyRule, error) {
	rule := instrumentation.PolicyRule{
		Name: r.Name, FormFields: r.FormFields, JSONFields: r.JSONFields, BodyHash: r.BodyHash, Strict: r.Strict, RequireReason: r.Reason,
	}
	switch r.Record {
	case "", "line":
	case "count":
		rule.CountOnly = true
	default:
		return rule, fmt.Errorf("record %q: want line or count", r.Record)
	}
	patterns, err := r.patterns()
	if err != nil {
		return rule, err
	}
	if len(patterns) > 0 {
		rule.Match = instrumentation.Routes(patterns...)
	}
	for _, t := range r.Types {
		rule.Types = append(rule.Types, adminsessions.Type(strings.ToUpper(t)))
	}
	for _, a := range r.Actors {
		rule.Actors = append(rule.Actors, adminsessions.ActorType(a))
	}
	for _, s := range r.Status {
		statuses, err := ParseStatus(s)
		if err != nil {
			return rule, err
		}
		rule.Statuses = append(rule.Statuses, statuses)
	}
	return rule, nil
}

// patterns are the paths with each of the methods.
func (r *Rule) patterns() ([]string, error) {
	if len(r.Methods) == 0 {
		return r.Paths, nil
	}
	paths := r.Paths
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	var patterns []string
	for _, m := range r.Methods {
		if m == "" || strings.ContainsAny(m, " \t/") || m != strings.ToUpper(m) {
			return nil, fmt.Errorf("method %q: want one in capital letters, such as POST", m)
		}
		for _, p := range paths {
			if !strings.HasPrefix(p, "/") {
				return nil, fmt.Errorf("path %q names a method, and so does methods: want one of the two", p)
			}
			patterns = append(patterns, m+" "+p)
		}
	}
	return patterns, nil
}

// ParseStatus reads 404, 4xx or 200-299.
func ParseStatus(s string) (instrumentation.StatusRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
		if len(s) == 3 && strings.HasSuffix(strings.ToLower(s), "xx") {
			first, last = s[:1]+"00", s[:1]+"99"
		}
	}
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(last)
	if err1 != nil || err2 != nil {
		return instrumentation.StatusRange{}, fmt.Errorf("status %q: want 404, 4xx or 200-299", s)
	}
	return instrumentation.StatusRange{First: a, Last: b}, nil
}
