package proxy

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/policy"
	"github.com/adminsessions/adminsessions/policy/strictyaml"
)

// Setup is a file that has been understood: everything in it can work, as far
// as that can be told without other programs.
type Setup struct {
	config  Config
	policy  *policy.Policy
	signIns *instrumentation.Policy // by the names of signInRule
	digest  string                  // of the file
}

// Load reads a file. The error names every fault by its line.
func Load(file string) (*Setup, error) {
	doc, err := strictyaml.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	s := &Setup{}
	if err := doc.Decode(&s.config); err != nil {
		return nil, err
	}
	s.digest = doc.Digest()
	s.config.complete()
	c := checker{doc: doc, c: &s.config}
	c.check()
	built, err := s.config.Policy.Build(doc, "policy")
	if err != nil {
		c.errs = append(c.errs, err)
	}
	s.policy = built
	s.signIns = c.signIns
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return s, nil
}

// complete puts in what was not said.
func (c *Config) complete() {
	def(&c.Listen, "127.0.0.1:8080")
	def(&c.Operators, "127.0.0.1:9465")
	def(&c.Timeouts.Header, 10*time.Second)
	def(&c.Timeouts.Idle, 2*time.Minute)
	def(&c.Timeouts.Connect, 5*time.Second)
	def(&c.Timeouts.Response, 5*time.Minute)
	def(&c.Timeouts.Shutdown, 10*time.Second)
	def(&c.Service.Name, "adminsessions")
	if c.Ingest != nil {
		def(&c.Ingest.Durability, "written")
		def(&c.Ingest.MaxBytes, 4<<20)
		def(&c.Ingest.Timeout, 10*time.Second)
	}
	for _, who := range c.Who {
		if j := who.JWT; j != nil {
			j.Claims.complete("sub", "jti")
			if len(j.Algs) == 0 {
				j.Algs = []string{"RS256", "ES256", "EdDSA"}
			}
			if j.Cookie == "" {
				def(&j.Header, "Authorization")
			}
		}
		if l := who.Lookup; l != nil {
			l.Fields.complete("id", "")
			def(&l.TTL, time.Minute)
			def(&l.Timeout, time.Second)
			if c.Session.Cookies == nil {
				c.Session.Cookies = l.Cookies
			}
		}
	}
}

func (c *Claims) complete(id, credential string) {
	def(&c.ID, id)
	def(&c.Email, "email")
	def(&c.Name, "name")
	def(&c.Credential, credential)
}

// def sets what is zero.
func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// checker finds out what is wrong with a configuration.
type checker struct {
	doc     *strictyaml.Document
	c       *Config
	signIns *instrumentation.Policy
	errs    []error
}

func (c *checker) fail(key, format string, args ...any) {
	c.errs = append(c.errs, c.doc.Errorf(key, format, args...))
}

func (c *checker) check() {
	c.address("listen", c.c.Listen, false)
	if c.c.Operators != "-" {
		c.address("operators", c.c.Operators, false)
	}
	c.delivery()
	if (c.c.TLS.CertFile == "") != (c.c.TLS.KeyFile == "") {
		c.fail("tls", "needs both cert_file and key_file")
	} else if c.c.TLS.CertFile != "" {
		if _, err := newCertificate(c.c.TLS); err != nil {
			c.fail("tls", "%w", err)
		}
	}
	for key, d := range map[string]time.Duration{
		"header": c.c.Timeouts.Header, "idle": c.c.Timeouts.Idle, "connect": c.c.Timeouts.Connect,
		"response": c.c.Timeouts.Response, "shutdown": c.c.Timeouts.Shutdown,
	} {
		if d < 0 {
			c.fail("timeouts."+key, "%v: want more than 0", d)
		}
	}
	c.upstreams()
	for i, who := range c.c.Who {
		c.identity(fmt.Sprintf("who[%d]", i), &who)
	}
	c.signInRules()
	if p := c.c.Page; p != nil {
		c.page(p)
	}
	if in := c.c.Ingest; in != nil {
		c.address("ingest.listen", in.Listen, true)
		if in.Durability != "written" && in.Durability != "synced" {
			c.fail("ingest.durability", "%q: want written or synced", in.Durability)
		}
		if in.MaxBytes < 1024 || in.MaxBytes > 64<<20 {
			c.fail("ingest.max_bytes", "%d: want 1KiB to 64MiB", in.MaxBytes)
		}
		if in.Timeout < 0 {
			c.fail("ingest.timeout", "%v: want more than 0", in.Timeout)
		}
	}
}

// address checks where to listen. What takes events without asking who brings
// them listens to this machine only.
func (c *checker) address(key, s string, local bool) {
	if socket, ok := strings.CutPrefix(s, "unix:"); ok {
		if !path.IsAbs(socket) {
			c.fail(key, "%q: want an absolute path behind unix:", s)
		}
		return
	}
	host, port, err := net.SplitHostPort(s)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		c.fail(key, "%q: want host:port, or unix:/path", s)
		return
	}
	if !local {
		return
	}
	if addr, err := netip.ParseAddr(host); err != nil || !addr.IsLoopback() {
		c.fail(key, "%q: want a loopback address such as 127.0.0.1, or unix:/path: nobody is asked who he is there", s)
	}
}

// delivery checks what the exporter would refuse when it starts. Where the spool
// is may stand in the environment of the service alone.
func (c *checker) delivery() {
	if _, err := loki.New(c.c.lokiSettings(), os.Getenv); err != nil {
		c.fail("loki", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	s := c.c.Spool
	if !slices.Contains([]exporter.SyncPolicy{"", exporter.SyncInterval, exporter.SyncAlways, exporter.SyncNone}, exporter.SyncPolicy(s.Sync)) {
		c.fail("spool.sync", "%q: want interval, always or none", s.Sync)
	}
	if !slices.Contains([]exporter.FullPolicy{"", exporter.DropWhenFull, exporter.BlockWhenFull}, exporter.FullPolicy(s.Full)) {
		c.fail("spool.full", "%q: want drop or block", s.Full)
	}
	for key, d := range map[string]time.Duration{"sync_interval": s.SyncInterval, "block_timeout": s.BlockTimeout, "lock_timeout": s.LockTimeout} {
		if d < 0 {
			c.fail("spool."+key, "%v: want more than 0", d)
		}
	}
}

func (c *checker) upstreams() {
	if len(c.c.Upstreams) == 0 {
		c.fail("upstreams", "there is none: say where the panel is, such as url: http://127.0.0.1:8000")
	}
	for i := range c.c.Upstreams {
		u := &c.c.Upstreams[i]
		key := fmt.Sprintf("upstreams[%d]", i)
		if _, err := newUpstream(u, c.c.Timeouts); err != nil {
			c.fail(key+".url", "%w", err)
		}
		for _, h := range u.Hosts {
			if h == "" || strings.ContainsAny(h, "/:@ *") || h != strings.ToLower(h) {
				c.fail(key+".hosts", "%q: want a host's name in small letters, without a port", h)
			}
		}
		for _, p := range u.Paths {
			if !strings.HasPrefix(p, "/") || path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/" {
				c.fail(key+".paths", "%q: want what a path begins with, such as /admin/", p)
			}
		}
		for j := range i {
			if slices.Equal(c.c.Upstreams[j].Hosts, u.Hosts) && slices.Equal(c.c.Upstreams[j].Paths, u.Paths) {
				c.fail(key, "is for the same hosts and paths as upstreams[%d]", j)
			}
		}
	}
}

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

// certificates reads those with which others' are checked; nil is the system's.
func certificates(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// fixed is what can't change while the process runs.
func (c *Config) fixed() map[string]any {
	return map[string]any{
		"listen": c.Listen, "tls": c.TLS, "operators": c.Operators, "ingest": c.Ingest,
		"service": c.Service, "loki": c.Loki, "spool": c.Spool, "session.key_file": c.Session.KeyFile,
		"timeouts": [3]time.Duration{c.Timeouts.Header, c.Timeouts.Idle, c.Timeouts.Shutdown},
	}
}

// lokiSettings is the section loki in the library's words.
func (c *Config) lokiSettings() adminsessions.Loki {
	l := c.Loki
	return adminsessions.Loki{
		URL: l.URL, QueryURL: l.QueryURL, TenantID: l.TenantID, QueryTenantID: l.QueryTenantID,
		Username: l.Username, PasswordFile: l.PasswordFile, BearerTokenFile: l.BearerTokenFile,
		CAFile: l.CAFile, CertFile: l.CertFile, KeyFile: l.KeyFile, ProxyURL: l.ProxyURL, Headers: l.Headers, Timeout: l.Timeout,
	}
}
