package proxy

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/credential"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spool"
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
	if _, err := s.keys(); err != nil {
		c.fail("spool.key_file", "%w", err)
	}
	if err := c.c.Proof.Check(c.doc, "proof"); err != nil {
		c.errs = append(c.errs, err)
	}
}

// keys are those with which the spool is encrypted; none if the file names none.
func (s *Spool) keys() ([][]byte, error) {
	if s.KeyFile == "" {
		return nil, nil
	}
	text, err := credential.File(s.KeyFile)
	if err != nil {
		return nil, err
	}
	keys, err := spool.ReadKeyBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.KeyFile, err)
	}
	return keys, nil
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
		"service": c.Service, "loki": c.Loki, "spool": c.Spool, "proof": c.Proof, "session.key_file": c.Session.KeyFile,
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
