package adminsessions

import "time"

// Loki says how to reach Grafana Loki. The exporter, which pushes, and the page,
// which asks, take the same description. What is zero is read from the
// environment variable named beside it, and where that is empty, too, the
// default holds.
//
// There is no field for a password or a token itself: those stand in files,
// which may be replaced while the process runs.
type Loki struct {
	// URL is Loki's base address, without /loki/api: scheme http or https, a
	// host, and a path only if Loki is behind one. It holds no credentials.
	// Default http://127.0.0.1:3100. ADMINSESSIONS_LOKI_URL.
	URL string
	// QueryURL is the base address for questions, where another server answers
	// those than takes the pushes, as in Loki's distributed mode. Default URL.
	// ADMINSESSIONS_LOKI_QUERY_URL.
	QueryURL string

	// TenantID is sent as X-Scope-OrgID. Default none, for a Loki with one
	// tenant. ADMINSESSIONS_LOKI_TENANT_ID.
	TenantID string
	// QueryTenantID is that of questions; several are separated by "|". Default
	// TenantID. ADMINSESSIONS_LOKI_QUERY_TENANT_ID.
	QueryTenantID string

	// Username and PasswordFile are for basic authentication, BearerTokenFile
	// for a token; one of the two ways. ADMINSESSIONS_LOKI_USERNAME,
	// ADMINSESSIONS_LOKI_PASSWORD_FILE, ADMINSESSIONS_LOKI_BEARER_TOKEN_FILE.
	Username, PasswordFile, BearerTokenFile string

	// CAFile holds the certificates that Loki's own is checked with, default
	// the system's. CertFile and KeyFile are the client's own certificate.
	// ADMINSESSIONS_LOKI_CA_FILE, …_CERT_FILE, …_KEY_FILE.
	CAFile, CertFile, KeyFile string

	// ProxyURL is an HTTP proxy on the way to Loki. Default what HTTP_PROXY,
	// HTTPS_PROXY and NO_PROXY say. ADMINSESSIONS_LOKI_PROXY_URL.
	ProxyURL string
	// Headers are sent with every request. ADMINSESSIONS_LOKI_HEADERS, as
	// "name=value,name=value" with percent-encoding.
	Headers map[string]string
	// Timeout limits one push, from request to answer, 1 ms to 10 minutes.
	// Default 10 s. ADMINSESSIONS_LOKI_TIMEOUT, in milliseconds. Questions have
	// the deadline of who asks.
	Timeout time.Duration
}
