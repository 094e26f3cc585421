package exporter

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
)

// Environment variables, read by [New] before the options. They follow the
// manner of OpenTelemetry's exporters: durations in milliseconds, headers as
// "name=value,name=value" with percent-encoding. Unlike there, a value that
// can't be used fails the start: an audit trail must not run on a
// misunderstanding.
const (
	EnvEndpoint          = "ADMINSESSIONS_LOKI_ENDPOINT"
	EnvTenantID          = "ADMINSESSIONS_LOKI_TENANT_ID"
	EnvTimeout           = "ADMINSESSIONS_LOKI_TIMEOUT" // milliseconds
	EnvHeaders           = "ADMINSESSIONS_LOKI_HEADERS"
	EnvUsername          = "ADMINSESSIONS_LOKI_USERNAME"
	EnvPasswordFile      = "ADMINSESSIONS_LOKI_PASSWORD_FILE"
	EnvBearerTokenFile   = "ADMINSESSIONS_LOKI_BEARER_TOKEN_FILE"
	EnvCertificate       = "ADMINSESSIONS_LOKI_CERTIFICATE"        // file of the CA
	EnvClientCertificate = "ADMINSESSIONS_LOKI_CLIENT_CERTIFICATE" // file
	EnvClientKey         = "ADMINSESSIONS_LOKI_CLIENT_KEY"         // file
	EnvProxyURL          = "ADMINSESSIONS_LOKI_PROXY_URL"
	EnvLines             = "ADMINSESSIONS_LOKI_LINES" // true, false: WithLines

	EnvSpoolDir          = "ADMINSESSIONS_SPOOL_DIR"
	EnvSpoolLimit        = "ADMINSESSIONS_SPOOL_LIMIT"         // bytes
	EnvSpoolSync         = "ADMINSESSIONS_SPOOL_SYNC"          // interval, always, none
	EnvSpoolSyncInterval = "ADMINSESSIONS_SPOOL_SYNC_INTERVAL" // milliseconds
	EnvSpoolFull         = "ADMINSESSIONS_SPOOL_FULL"          // drop, block
	EnvSpoolBlockTimeout = "ADMINSESSIONS_SPOOL_BLOCK_TIMEOUT" // milliseconds
)

func (c *config) readEnvironment(lookup func(string) (string, bool)) {
	read := func(name string, set func(string)) {
		if v, ok := lookup(name); ok && strings.TrimSpace(v) != "" {
			set(strings.TrimSpace(v))
		}
	}
	milliseconds := func(name string, d *time.Duration) {
		read(name, func(v string) {
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil {
				c.fail("%s: %q; want a whole number of milliseconds", name, v)
				return
			}
			*d = time.Duration(n) * time.Millisecond
		})
	}
	read(EnvEndpoint, func(v string) { c.setEndpoint(EnvEndpoint, v) })
	read(EnvTenantID, func(v string) { c.tenant = v })
	milliseconds(EnvTimeout, &c.timeout)
	read(EnvHeaders, c.setHeaders)
	read(EnvUsername, func(v string) { c.basicAuth().Username = v })
	read(EnvPasswordFile, func(v string) { c.basicAuth().PasswordFile = v })
	read(EnvBearerTokenFile, func(v string) {
		c.http.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: v}
	})
	read(EnvCertificate, func(v string) { c.http.TLSConfig.CAFile = v })
	read(EnvClientCertificate, func(v string) { c.http.TLSConfig.CertFile = v })
	read(EnvClientKey, func(v string) { c.http.TLSConfig.KeyFile = v })
	read(EnvProxyURL, func(v string) {
		u, err := url.Parse(v)
		if err != nil || u.Host == "" {
			c.fail("%s: not a URL; want a form like http://egress.example:8080", EnvProxyURL)
			return
		}
		c.http.ProxyURL = promconfig.URL{URL: u}
	})

	read(EnvLines, func(v string) {
		on, err := strconv.ParseBool(v)
		if err != nil {
			c.fail("%s: %q; want true or false", EnvLines, v)
			return
		}
		c.lines = on
	})

	read(EnvSpoolDir, func(v string) { c.spoolDir = v })
	read(EnvSpoolLimit, func(v string) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			c.fail("%s: %q; want a whole number of bytes", EnvSpoolLimit, v)
			return
		}
		c.spoolLimit = n
	})
	read(EnvSpoolSync, func(v string) { c.sync = SyncPolicy(v) })
	milliseconds(EnvSpoolSyncInterval, &c.syncInterval)
	read(EnvSpoolFull, func(v string) { c.full = FullPolicy(v) })
	milliseconds(EnvSpoolBlockTimeout, &c.blockTimeout)
}

func (c *config) basicAuth() *promconfig.BasicAuth {
	if c.http.BasicAuth == nil {
		c.http.BasicAuth = &promconfig.BasicAuth{}
	}
	return c.http.BasicAuth
}

func (c *config) setHeaders(v string) {
	headers := &promconfig.Headers{Headers: map[string]promconfig.Header{}}
	for pair := range strings.SplitSeq(v, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name, err1 := url.PathUnescape(strings.TrimSpace(name))
		value, err2 := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err1 != nil || err2 != nil {
			c.fail("%s: want name=value pairs, percent-encoded, with commas between them", EnvHeaders)
			return
		}
		headers.Headers[name] = promconfig.Header{Secrets: []promconfig.Secret{promconfig.Secret(value)}}
	}
	c.http.HTTPHeaders = headers
}
