package proxy

import (
	"fmt"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/policy"
)

func (c *checker) identity(key string, who *Identity) {
	given := 0
	for _, v := range []any{who.Headers, who.JWT, who.Basic, who.Lookup} {
		if !reflect.ValueOf(v).IsNil() {
			given++
		}
	}
	if given != 1 {
		c.fail(key, "want one of headers, jwt, basic and lookup (basic: {} is enough)")
		return
	}
	switch {
	case who.Headers != nil:
		c.trustedHeaders(key+".headers", who.Headers)
	case who.JWT != nil:
		c.jwt(key+".jwt", who.JWT)
	case who.Lookup != nil:
		c.lookup(key+".lookup", who.Lookup)
	}
}

func (c *checker) trustedHeaders(key string, h *TrustedHeaders) {
	if len(h.From) == 0 && !h.UnixSocket {
		c.fail(key, "from whom? Name the authenticating proxy in from, or say unix_socket: true; else any client could say who it is")
	}
	for _, p := range h.From {
		if p.Bits() == 0 {
			c.fail(key+".from", "%s is everybody", p)
		}
	}
	if h.ID == "" && h.Email == "" {
		c.fail(key, "want the header with the id or with the email")
	}
	for _, name := range h.names() {
		if strings.ContainsAny(name, " :\t") {
			c.fail(key, "%q is not the name of a header", name)
		}
	}
}

func (c *checker) jwt(key string, j *JWT) {
	if u, err := url.Parse(j.Issuer); err != nil || u.Host == "" {
		c.fail(key+".issuer", "%q: want the issuer's URL", j.Issuer)
	}
	if j.Audience == "" {
		c.fail(key+".audience", "missing: a token for another application must not count here")
	}
	if j.Cookie != "" && j.Header != "" {
		c.fail(key, "want header or cookie, not both")
	}
	for _, a := range j.Algs {
		if !slices.Contains([]string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}, a) {
			c.fail(key+".algorithms", "%q: want a signature with a public key, such as RS256", a)
		}
	}
	if j.JWKS != "" {
		if u, err := url.Parse(j.JWKS); err != nil || u.Host == "" {
			c.fail(key+".jwks", "%q: want a URL", j.JWKS)
		}
	}
	if _, err := certificates(j.CAFile); err != nil {
		c.fail(key+".ca_file", "%w", err)
	}
}

func (c *checker) lookup(key string, l *Lookup) {
	if !strings.HasPrefix(l.URL, "/") {
		c.fail(key+".url", "%q: want a path of the panel, such as /api/me", l.URL)
	}
	if len(l.Cookies) == 0 && !l.Authorization {
		c.fail(key, "want the cookies of a session, or authorization: true")
	}
	if l.TTL < time.Second || l.TTL > time.Hour {
		c.fail(key+".ttl", "%v: want 1s to 1h", l.TTL)
	}
	if l.Timeout < time.Millisecond || l.Timeout > 30*time.Second {
		c.fail(key+".timeout", "%v: want 1ms to 30s", l.Timeout)
	}
}

// signInRule is the name of the n-th sign-in's rule.
func signInRule(n int) string { return fmt.Sprintf("sign_ins[%d]", n) }

func (c *checker) signInRules() {
	var rules []instrumentation.PolicyRule
	for i, s := range c.c.SignIns {
		key := signInRule(i)
		rule := instrumentation.PolicyRule{Name: key, Match: instrumentation.Routes(s.Path)}
		if _, err := instrumentation.NewPolicy(rule); err != nil {
			c.fail(key+".path", "%w", err)
			continue
		}
		rules = append(rules, rule)
		if s.Field == "" || strings.Contains(strings.ToLower(s.Field), "passw") {
			c.fail(key+".field", "%q: want the field with the name that is tried", s.Field)
		}
		if len(s.Success.Status) == 0 && s.Success.Location == "" && s.Success.Cookie == "" {
			c.fail(key+".success", "says nothing: want status, location or cookie")
		}
		for _, status := range s.Success.Status {
			if _, err := policy.ParseStatus(status); err != nil {
				c.fail(key+".success.status", "%w", err)
			}
		}
	}
	c.signIns, _ = instrumentation.NewPolicy(rules...)
}

func (c *checker) page(p *Page) {
	if len(p.Path) < 3 || p.Path[0] != '/' || p.Path[len(p.Path)-1] != '/' || strings.ContainsAny(p.Path, "{} ?#%") || path.Clean(p.Path)+"/" != p.Path {
		c.fail("page.path", "%q: want a path with a slash at both ends, such as /admin-sessions/", p.Path)
	}
	if len(p.Viewers) == 0 {
		c.fail("page.viewers", "there is none: nobody could see the page")
	}
	known := slices.ContainsFunc(c.c.Who, func(who Identity) bool { return who.Basic == nil })
	if !known {
		c.fail("page", "nobody can be let in: who has neither headers nor jwt nor lookup, and what the panel says in an answer comes too late")
	}
	for i, v := range p.Viewers {
		if len(v.Emails) == 0 && len(v.IDs) == 0 {
			c.fail(fmt.Sprintf("page.viewers[%d]", i), "means nobody: want emails or ids")
		}
		if v.Tenants != nil && len(v.Tenants) == 0 || slices.Contains(v.Tenants, "") {
			c.fail(fmt.Sprintf("page.viewers[%d].tenants", i), "names none: without the key they see everything")
		}
		for _, e := range v.Emails {
			if !strings.Contains(e, "@") || strings.Contains(strings.TrimPrefix(e, "*"), "*") {
				c.fail(fmt.Sprintf("page.viewers[%d].emails", i), "%q: want anna@example.com, or *@example.com", e)
			}
		}
	}
}
