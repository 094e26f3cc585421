package query

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Methods, Types, Outcomes and Actors are the values of those keys, as they stand
// in a query, the common ones first.
var (
	Methods  = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "TRACE", "CONNECT", "_OTHER"}
	Types    = []string{"web", "api", "cli", "job", "mcp", "trail"}
	Outcomes = []string{"success", "denied", "failure", "error"}
	Actors   = []string{"user", "service", "agent", "system"}
)

// key is a key of the grammar.
type key struct {
	name string
	// want says which values there are.
	want string
	// read puts a value into the form in which it is compared; ok says whether
	// it is one.
	read func(value string) (as string, ok bool)
	// add adds a value that was read to conditions.
	add func(c *trail.Conditions, as string)
}

// keys are all keys, those that are wanted most first.
var keys = []key{
	{"admin", "an e-mail address, an id or a name", anyText, func(c *trail.Conditions, s string) { c.Users = append(c.Users, s) }},
	{"action", "clients.delete, or only clients. or delete", anyText, func(c *trail.Conditions, s string) { c.Actions = append(c.Actions, s) }},
	{"object", "a type, client, or with an id, client/7731", readObject, addObject},
	{"outcome", oneOf(Outcomes), among(Outcomes), func(c *trail.Conditions, s string) { c.Outcomes = append(c.Outcomes, adminsessions.Outcome(s)) }},
	{"status", "a code such as 404, or a class such as 4xx", readStatus, func(c *trail.Conditions, s string) { c.Statuses = append(c.Statuses, s) }},
	{"method", oneOf(Methods), among(Methods), func(c *trail.Conditions, s string) { c.Methods = append(c.Methods, s) }},
	{"type", oneOf(Types), among(Types), func(c *trail.Conditions, s string) {
		c.Types = append(c.Types, adminsessions.Type(strings.ToUpper(s)))
	}},
	{"ip", "an IP address or a network, such as 10.2.3.4, 2001:db8::1 or 10.0.0.0/8", readAddresses, func(c *trail.Conditions, s string) {
		if p, err := parseAddresses(s); err == nil {
			c.Addresses = append(c.Addresses, p)
		}
	}},
	{"country", "two letters, such as PL", readCountry, func(c *trail.Conditions, s string) { c.Countries = append(c.Countries, s) }},
	{"url", "a part of it", anyText, func(c *trail.Conditions, s string) { c.URLs = append(c.URLs, s) }},
	{"reason", "a part of it", anyText, func(c *trail.Conditions, s string) { c.Reasons = append(c.Reasons, s) }},
	{"tenant", "its id", anyText, func(c *trail.Conditions, s string) { c.Tenants = append(c.Tenants, s) }},
	{"actor", oneOf(Actors), among(Actors), func(c *trail.Conditions, s string) { c.Actors = append(c.Actors, adminsessions.ActorType(s)) }},
	{"credential", "its id", anyText, func(c *trail.Conditions, s string) { c.Credentials = append(c.Credentials, s) }},
	{"session", "its hash", anyText, func(c *trail.Conditions, s string) { c.Sessions = append(c.Sessions, s) }},
	{"request", "its id", anyText, func(c *trail.Conditions, s string) { c.Requests = append(c.Requests, s) }},
}

// Keys are the keys of the grammar, those that are wanted most first.
func Keys() []string {
	names := make([]string, len(keys))
	for i := range keys {
		names[i] = keys[i].name
	}
	return names
}

func isKey(name string) bool { return keyOf(name) != nil }

func keyOf(name string) *key {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return &keys[i]
}

// Value puts the value of a key into the form in which it is compared: two values
// that mean the same are then equal.
func Value(name, value string) (string, error) {
	k := keyOf(name)
	if k == nil {
		return "", &Error{Fault: UnknownKey, Term: name + ":" + value, Key: name}
	}
	as, ok := k.read(strings.TrimSpace(value))
	if !ok {
		return "", &Error{Fault: BadValue, Term: name + ":" + value, Key: name, Want: k.want}
	}
	return as, nil
}

// Filter is the query as a filter. Its errors are of the type *[Error].
func (q Query) Filter() (trail.Filter, error) {
	var f trail.Filter
	for _, t := range q {
		c := &f.Only
		if t.Not {
			c = &f.Not
		}
		if t.Key == "" {
			c.Texts = append(c.Texts, t.Value)
			continue
		}
		as, err := Value(t.Key, t.Value)
		if err != nil {
			return trail.Filter{}, err
		}
		keyOf(t.Key).add(c, as)
	}
	return f, nil
}

// Unknown are the terms whose key does not exist.
func (q Query) Unknown() Query {
	return slices.DeleteFunc(slices.Clone(q), func(t Term) bool { return t.Key == "" || isKey(t.Key) })
}

func anyText(s string) (string, bool) { return s, s != "" }

// among takes one of some values, whatever its case.
func among(values []string) func(string) (string, bool) {
	return func(s string) (string, bool) {
		i := slices.IndexFunc(values, func(v string) bool { return strings.EqualFold(v, s) })
		if i < 0 {
			return "", false
		}
		return values[i], true
	}
}

func oneOf(values []string) string {
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}

var statusForm = regexp.MustCompile(`^([1-9][0-9][0-9]|[1-5]xx)$`)

func readStatus(s string) (string, bool) {
	s = strings.ToLower(s)
	return s, statusForm.MatchString(s)
}

var countryForm = regexp.MustCompile(`^[A-Z]{2}$`)

func readCountry(s string) (string, bool) {
	s = strings.ToUpper(s)
	return s, countryForm.MatchString(s)
}

// readObject takes type, type/id or /id.
func readObject(s string) (string, bool) {
	kind, id, _ := strings.Cut(s, "/")
	if id == "" {
		return kind, kind != ""
	}
	return s, true
}

func addObject(c *trail.Conditions, s string) {
	kind, id, _ := strings.Cut(s, "/")
	c.Resources = append(c.Resources, adminsessions.Resource{Type: kind, ID: id})
}

func readAddresses(s string) (string, bool) {
	p, err := parseAddresses(s)
	if err != nil {
		return "", false
	}
	if p.IsSingleIP() {
		return p.Addr().String(), true
	}
	return p.String(), true
}

// parseAddresses reads an address or a network, in whatever form people write
// them, as the network in its canonical form, without a port or a zone.
func parseAddresses(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil || strings.HasPrefix(s, "[") != strings.HasSuffix(s, "]") {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%.60q is no address", s)
		}
		a = withPort.Addr()
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}
