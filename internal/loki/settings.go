package loki

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/credential"
)

// Defaults of [adminsessions.Loki].
const (
	DefaultURL     = "http://127.0.0.1:3100"
	DefaultTimeout = 10 * time.Second

	minTimeout   = time.Millisecond
	maxTimeout   = 10 * time.Minute
	maxTenantLen = 150 // Loki's limit
	apiPath      = "loki/api/v1"
	tenantHeader = "X-Scope-OrgID"
)

// settings are an [adminsessions.Loki] completed from the environment, and what
// is wrong with it.
type settings struct {
	adminsessions.Loki

	push, query *url.URL
	proxy       *url.URL // nil: as the environment says
	headers     http.Header

	from map[string]string // field: the environment variable it was read from
	errs []error
}

// read completes c from the environment and checks it. The error names every
// field that is wrong, the variable it came from and what is accepted, and never
// repeats a value that may be secret.
func read(c adminsessions.Loki, getenv func(string) string) (*settings, error) {
	s := &settings{Loki: c, from: map[string]string{}}
	s.Headers = maps.Clone(c.Headers)
	if getenv != nil {
		s.readEnvironment(getenv)
	}
	s.check()
	if err := errors.Join(s.errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Complete returns c completed from the environment by getenv, and checked, for
// whom completes it from another one.
func Complete(c adminsessions.Loki, getenv func(string) string) (adminsessions.Loki, error) {
	s, err := read(c, getenv)
	if err != nil {
		return adminsessions.Loki{}, err
	}
	return s.Loki, nil
}

func (s *settings) readEnvironment(getenv func(string) string) {
	get := func(field, variable string, set func(string)) {
		if v := strings.TrimSpace(getenv("ADMINSESSIONS_LOKI_" + variable)); v != "" {
			s.from[field] = "ADMINSESSIONS_LOKI_" + variable
			set(v)
		}
	}
	for _, f := range []struct {
		field, variable string
		value           *string
	}{
		{"URL", "URL", &s.URL},
		{"QueryURL", "QUERY_URL", &s.QueryURL},
		{"TenantID", "TENANT_ID", &s.TenantID},
		{"QueryTenantID", "QUERY_TENANT_ID", &s.QueryTenantID},
		{"Username", "USERNAME", &s.Username},
		{"PasswordFile", "PASSWORD_FILE", &s.PasswordFile},
		{"BearerTokenFile", "BEARER_TOKEN_FILE", &s.BearerTokenFile},
		{"CAFile", "CA_FILE", &s.CAFile},
		{"CertFile", "CERT_FILE", &s.CertFile},
		{"KeyFile", "KEY_FILE", &s.KeyFile},
		{"ProxyURL", "PROXY_URL", &s.ProxyURL},
	} {
		if *f.value == "" {
			get(f.field, f.variable, func(v string) { *f.value = v })
		}
	}
	if s.Timeout == 0 {
		get("Timeout", "TIMEOUT", func(v string) {
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil || n == 0 {
				s.fail("Timeout", "%q; want a whole number of milliseconds, at least 1", v)
				return
			}
			s.Timeout = time.Duration(n) * time.Millisecond
		})
	}
	if s.Headers == nil {
		get("Headers", "HEADERS", s.parseHeaders)
	}
}

// parseHeaders reads "name=value,name=value", percent-encoded.
func (s *settings) parseHeaders(v string) {
	s.Headers = map[string]string{}
	for pair := range strings.SplitSeq(v, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name, err1 := url.PathUnescape(strings.TrimSpace(name))
		value, err2 := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err1 != nil || err2 != nil {
			s.fail("Headers", "not readable; want name=value,name=value, percent-encoded")
			return
		}
		s.Headers[name] = value
	}
}

// fail notes what is wrong with a field of adminsessions.Loki.
func (s *settings) fail(field, format string, args ...any) {
	name := "Loki." + field
	if v, ok := s.from[field]; ok {
		name += " (" + v + ")"
	}
	s.errs = append(s.errs, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

func (s *settings) check() {
	if s.URL == "" {
		s.URL = DefaultURL
	}
	s.push = s.base("URL", s.URL)
	s.query = s.push
	if s.QueryURL != "" {
		s.query = s.base("QueryURL", s.QueryURL)
	}
	if s.QueryTenantID == "" {
		s.QueryTenantID = s.TenantID
	}
	if s.TenantID != "" {
		s.checkTenant("TenantID", s.TenantID)
	}
	if s.QueryTenantID != s.TenantID {
		for id := range strings.SplitSeq(s.QueryTenantID, "|") {
			s.checkTenant("QueryTenantID", id)
		}
	}
	s.checkCredentials()
	if (s.CertFile == "") != (s.KeyFile == "") {
		s.fail("CertFile", "a client certificate needs both CertFile and KeyFile")
	}
	if s.ProxyURL != "" {
		s.checkProxy()
	}
	s.checkHeaders()
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Timeout < minTimeout || s.Timeout > maxTimeout {
		s.fail("Timeout", "%v; want %v to %v", s.Timeout, minTimeout, maxTimeout)
	}
}

// base checks a base address.
func (s *settings) base(field, address string) *url.URL {
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil:
		// The error of url.Parse repeats the address, which may hold a password.
		s.fail(field, "not a URL; want a form like %s", DefaultURL)
	case u.User != nil:
		s.fail(field, "holds credentials; want them in Username and PasswordFile, or in BearerTokenFile")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		s.fail(field, "scheme %q and host %q; want http or https, and a host, like %s", u.Scheme, u.Host, DefaultURL)
	case u.RawQuery != "" || u.Fragment != "":
		s.fail(field, "has a query or a fragment; want scheme, host and at most a path, like %s", DefaultURL)
	case strings.Contains(u.Path+"/", "/loki/api/"):
		s.fail(field, "path %q; want Loki's base address, without /loki/api", u.Path)
	default:
		return u
	}
	return nil
}

// checkTenant holds an ID to Loki's own rules.
func (s *settings) checkTenant(field, id string) {
	bad := strings.IndexFunc(id, func(r rune) bool {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !alphanumeric && !strings.ContainsRune("!-_.*'()", r)
	})
	if bad >= 0 || id == "" || id == "." || id == ".." || len(id) > maxTenantLen {
		s.fail(field, "%q; want 1 to %d letters, digits or any of !-_.*'()", id, maxTenantLen)
	}
}

func (s *settings) checkCredentials() {
	basic := s.Username != "" || s.PasswordFile != ""
	if basic && s.BearerTokenFile != "" {
		s.fail("BearerTokenFile", "Username or PasswordFile is set as well; want one of the two ways")
		return
	}
	if basic && (s.Username == "" || s.PasswordFile == "") {
		s.fail("Username", "basic authentication needs both Username and PasswordFile")
	}
	if strings.Contains(s.Username, ":") {
		s.fail("Username", "has a colon, which basic authentication can't send")
	}
	for field, file := range map[string]string{"PasswordFile": s.PasswordFile, "BearerTokenFile": s.BearerTokenFile} {
		if file == "" {
			continue
		}
		if _, err := credential.Line(file); err != nil {
			s.fail(field, "%w", err)
		}
	}
}

func (s *settings) checkProxy() {
	u, err := url.Parse(s.ProxyURL)
	if err != nil || u.Hostname() == "" {
		s.fail("ProxyURL", "not a URL with a host; want a form like http://egress.example:8080")
		return
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		s.proxy = u
	default:
		s.fail("ProxyURL", "scheme %q; want http, https, socks5 or socks5h", u.Scheme)
	}
}

// ownHeaders are set by the client itself, by way of another field or always.
var ownHeaders = map[string]string{
	"Authorization":       "Username and PasswordFile, or BearerTokenFile",
	tenantHeaderCanonical: "TenantID",
	"Content-Type":        "",
	"Content-Encoding":    "",
	"Content-Length":      "",
	"Transfer-Encoding":   "",
	"Connection":          "",
	"Host":                "URL",
	"User-Agent":          "",
	"Accept-Encoding":     "",
}

const tenantHeaderCanonical = "X-Scope-Orgid"

func (s *settings) checkHeaders() {
	s.headers = http.Header{}
	for name, value := range s.Headers {
		key := http.CanonicalHeaderKey(name)
		instead, own := ownHeaders[key]
		switch {
		case !token(name):
			s.fail("Headers", "name %q; want a header's name", name)
		case own && instead != "":
			s.fail("Headers", "name %s; want it in %s", key, instead)
		case own:
			s.fail("Headers", "name %s; it is set by the client itself", key)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			s.fail("Headers", "the value of %s holds a control character", key)
		case s.headers[key] != nil:
			s.fail("Headers", "name %s is there twice, in different spellings", key)
		default:
			s.headers[key] = []string{value}
		}
	}
}

// token reports whether s is a token of RFC 9110, 5.6.2.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
