package proxy

import (
	"net/netip"
	"time"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/proofconfig"
	"github.com/adminsessions/adminsessions/policy"
)

// Config is the file. What its keys mean stands in the tags, from which
// docs/proxy.md is made.
type Config struct {
	Listen    string     `yaml:"listen" doc:"Where clients connect: host:port, or unix:/path. Default 127.0.0.1:8080."`
	TLS       TLS        `yaml:"tls" doc:"Serve HTTPS (and HTTP/2). Files that are replaced are read anew within seconds."`
	Operators string     `yaml:"operators" doc:"Where /metrics, /healthz and /readyz are served, to operators only. Default 127.0.0.1:9465; - serves them nowhere."`
	Upstreams []Upstream `yaml:"upstreams" doc:"The panels. Required."`
	Timeouts  Timeouts   `yaml:"timeouts" doc:"How long things may take."`

	Who     []Identity `yaml:"who" doc:"How to find out who sends a request: asked in this order, the first that knows is believed. What the panel says in X-Audit-… headers of its answer stands above all of them."`
	SignIns []SignIn   `yaml:"sign_ins" doc:"Which requests are attempts to sign in."`
	Session Session    `yaml:"session" doc:"What a session is known by."`
	Page    *Page      `yaml:"page" doc:"The Admin Sessions page. Without it there is none."`
	Ingest  *Ingest    `yaml:"ingest" doc:"Where panels and sidecars hand in events of their own. Without it nowhere."`

	Service Service           `yaml:"service" doc:"The labels of the trail."`
	Loki    Loki              `yaml:"loki" doc:"How to reach Loki. What is not said here is read from the environment: ADMINSESSIONS_LOKI_…"`
	Spool   Spool             `yaml:"spool" doc:"Where events wait for Loki. What is not said here is read from the environment: ADMINSESSIONS_SPOOL_…"`
	Proof   proofconfig.Proof `yaml:"proof" doc:"How the trail proves that nothing is missing from it and nothing was altered: see docs/proof.md."`
	Policy  policy.Config     `yaml:"policy" doc:"What is recorded of which request: see docs/policy.md."`
}

// TLS is a certificate.
type TLS struct {
	CertFile string `yaml:"cert_file" doc:"The certificate, with its chain, in PEM."`
	KeyFile  string `yaml:"key_file" doc:"Its key."`
}

// Upstream is a panel.
type Upstream struct {
	URL    string   `yaml:"url" doc:"http://host:port, https://…, h2c://… (HTTP/2 without TLS), or unix:/path/to/socket. A path goes before those of requests. Required."`
	Hosts  []string `yaml:"hosts" doc:"Host names for which it is asked, without a port. None: every host. A request for a host that no panel has is answered with 421."`
	Paths  []string `yaml:"paths" doc:"What paths begin with for which it is asked; the longest wins. None: every path."`
	Host   string   `yaml:"host" doc:"The Host header it is sent. Default the client's."`
	CAFile string   `yaml:"ca_file" doc:"With what its certificate is checked. Default the system's."`
}

// Timeouts are the bounds of a request. There is none on a whole request: an
// upload, a download or a stream takes as long as it takes.
type Timeouts struct {
	Header   time.Duration `yaml:"header" doc:"For a client to send the header of a request. Default 10s."`
	Idle     time.Duration `yaml:"idle" doc:"For a connection without a request. Default 2m."`
	Connect  time.Duration `yaml:"connect" doc:"To connect to a panel. Default 5s; then 502."`
	Response time.Duration `yaml:"response" doc:"For a panel to begin its answer, once it has the request. Default 5m; then 504."`
	Shutdown time.Duration `yaml:"shutdown" doc:"For requests under way, and for the last events to Loki, when the program ends. Default 10s."`
}

// Identity is one way to find out who sends a request. One of its fields is set.
type Identity struct {
	Headers *TrustedHeaders `yaml:"headers" doc:"An authenticating proxy in front says it in headers: oauth2-proxy, Authelia. They are believed only from it, and taken off requests of others."`
	JWT     *JWT            `yaml:"jwt" doc:"A signed token says it: Pomerium, Cloudflare Access, any OpenID provider."`
	Basic   *Basic          `yaml:"basic" doc:"The name of HTTP Basic authentication, unless the panel answers 401."`
	Lookup  *Lookup         `yaml:"lookup" doc:"The panel is asked, with the request's own cookie."`
}

// TrustedHeaders are the headers of an authenticating proxy.
type TrustedHeaders struct {
	From       []netip.Prefix `yaml:"from" doc:"Its addresses, as narrowly as can be."`
	UnixSocket bool           `yaml:"unix_socket" doc:"It comes through a Unix socket."`
	ID         string         `yaml:"id" doc:"The header with the account's identifier: X-Auth-Request-User, Remote-User."`
	Email      string         `yaml:"email" doc:"With its e-mail address: X-Auth-Request-Email, Remote-Email."`
	Name       string         `yaml:"name" doc:"With its name: Remote-Name."`
	Tenant     string         `yaml:"tenant" doc:"With the tenant."`
}

// JWT is a signed token.
type JWT struct {
	Issuer   string   `yaml:"issuer" doc:"Who must have issued it. Required."`
	Audience string   `yaml:"audience" doc:"For whom it must be. Required: a token for another application is none for this one."`
	JWKS     string   `yaml:"jwks" doc:"Where its keys are. Default what the issuer's /.well-known/openid-configuration says."`
	CAFile   string   `yaml:"ca_file" doc:"With what that server's certificate is checked. Default the system's."`
	Header   string   `yaml:"header" doc:"The header it is in, with or without Bearer: Cf-Access-Jwt-Assertion, X-Pomerium-Jwt-Assertion. Default Authorization."`
	Cookie   string   `yaml:"cookie" doc:"The cookie it is in, instead of a header."`
	Claims   Claims   `yaml:"claims" doc:"Where in it what stands."`
	Algs     []string `yaml:"algorithms" doc:"The signatures that are accepted. Default RS256, ES256, EdDSA."`
}

// Claims are the names of claims, or of fields in an answer; dots lead into
// objects.
type Claims struct {
	ID         string `yaml:"id" doc:"The account's identifier. Default sub of a token, id of an answer."`
	Email      string `yaml:"email" doc:"Default email."`
	Name       string `yaml:"name" doc:"Default name."`
	Tenant     string `yaml:"tenant" doc:"The tenant. Default none."`
	Actor      string `yaml:"actor" doc:"What kind of actor it is: user, service or agent. Default none."`
	Credential string `yaml:"credential" doc:"Which token or key it is: its id, never the secret. Default jti of a token."`
}

// Basic is HTTP Basic authentication. The panel checks it.
type Basic struct {
	Email bool `yaml:"email" doc:"The name is an e-mail address."`
}

// Lookup is a question to the panel.
type Lookup struct {
	URL           string        `yaml:"url" doc:"A path of the panel that tells in JSON who is signed in: /api/me. Required."`
	Cookies       []string      `yaml:"cookies" doc:"The cookies of a session; they are sent along, and what was answered is kept for them. Required, or authorization."`
	Authorization bool          `yaml:"authorization" doc:"The Authorization header is sent along as well, and counts as part of the session."`
	Fields        Claims        `yaml:"fields" doc:"Where in the answer what stands."`
	TTL           time.Duration `yaml:"ttl" doc:"How long an answer holds. Default 1m. A sign-in, and an answer that sets the cookie, end it sooner."`
	Timeout       time.Duration `yaml:"timeout" doc:"How long a request waits for it; then it is recorded without, and marked. Default 1s."`
}

// SignIn is a rule that finds attempts to sign in.
type SignIn struct {
	Path    string        `yaml:"path" doc:"As in the policy's rules: POST /admin/login/. Required."`
	Field   string        `yaml:"field" doc:"The field of the form, or of the JSON body, with the name that is tried. Required; never the password's."`
	Success SignInSuccess `yaml:"success" doc:"What the answer to a sign-in that succeeds looks like: all that is given must hold. Required."`
}

// SignInSuccess is what an answer looks like.
type SignInSuccess struct {
	Status   []string `yaml:"status" doc:"302, 2xx, 200-204."`
	Location string   `yaml:"location" doc:"What the path of its Location begins with."`
	Cookie   string   `yaml:"cookie" doc:"A cookie that it sets."`
}

// Session says by what the requests of one session are told to belong together.
type Session struct {
	Cookies []string `yaml:"cookies" doc:"The cookies of a session; a keyed hash of them is recorded. Default those of the lookup."`
	KeyFile string   `yaml:"key_file" doc:"The key of the hash, made if it is not there. Default none: another key after each start."`
}

// Page is the Admin Sessions page.
type Page struct {
	Path    string   `yaml:"path" doc:"Where it is, with a slash at both ends: /admin-sessions/. Required."`
	Viewers []Viewer `yaml:"viewers" doc:"Who may see it. Whom no entry means is answered with 403. It is known who somebody is by headers, jwt and lookup, not by basic, which the panel checks and the page does not ask."`
}

// Viewer says what some may see.
type Viewer struct {
	Emails  []string `yaml:"emails" doc:"Their e-mail addresses; *@example.com means all of a domain."`
	IDs     []string `yaml:"ids" doc:"Their identifiers."`
	Tenants []string `yaml:"tenants" doc:"They see what belongs to these tenants only. Default everything."`
	Own     bool     `yaml:"own" doc:"They see what they have done themselves only."`
	Export  *bool    `yaml:"export" doc:"They may export. Default true."`
}

// Ingest is where others hand in events.
type Ingest struct {
	Listen     string        `yaml:"listen" doc:"A loopback address, 127.0.0.1:4318, or unix:/path. Required."`
	Durability string        `yaml:"durability" doc:"When an event is accepted: written (it survives the death of the process, the default) or synced (it survives a power cut)."`
	MaxBytes   Size          `yaml:"max_bytes" doc:"How long a request may be, unpacked. Default 4MiB."`
	Timeout    time.Duration `yaml:"timeout" doc:"How long one may take. Default 10s."`
}

// Service is what the trail is called.
type Service struct {
	Name        string `yaml:"name" doc:"service_name. Default adminsessions."`
	Environment string `yaml:"environment" doc:"deployment_environment_name. Default none."`
	Instance    string `yaml:"instance" doc:"service_instance_id. Default the host's name."`
}

// Loki says how Loki is reached.
type Loki struct {
	URL             string            `yaml:"url" doc:"Its base address. Default http://127.0.0.1:3100."`
	QueryURL        string            `yaml:"query_url" doc:"Where questions go, if elsewhere."`
	TenantID        string            `yaml:"tenant_id" doc:"X-Scope-OrgID."`
	QueryTenantID   string            `yaml:"query_tenant_id" doc:"That of questions."`
	Username        string            `yaml:"username" doc:"For Basic authentication."`
	PasswordFile    string            `yaml:"password_file" doc:"A file with its password."`
	BearerTokenFile string            `yaml:"bearer_token_file" doc:"A file with a token."`
	CAFile          string            `yaml:"ca_file" doc:"With what its certificate is checked."`
	CertFile        string            `yaml:"cert_file" doc:"The client's own certificate."`
	KeyFile         string            `yaml:"key_file" doc:"Its key."`
	ProxyURL        string            `yaml:"proxy_url" doc:"An HTTP proxy on the way."`
	Headers         map[string]string `yaml:"headers" doc:"More headers, for a gateway in front of it."`
	Timeout         time.Duration     `yaml:"timeout" doc:"Of one push. Default 10s."`
}

// Spool is where events wait.
type Spool struct {
	Dir          string        `yaml:"dir" doc:"A folder on a disk that outlives the process. Required, here or in ADMINSESSIONS_SPOOL_DIR."`
	Limit        Size          `yaml:"limit" doc:"How much it may take. Default 1GiB."`
	Sync         string        `yaml:"sync" doc:"interval (the default), always or none: when events are forced to the disk."`
	SyncInterval time.Duration `yaml:"sync_interval" doc:"Default 1s."`
	Full         string        `yaml:"full" doc:"drop (the default) or block: what happens when it is full."`
	BlockTimeout time.Duration `yaml:"block_timeout" doc:"How long a request waits then. Default 2s."`
	LockTimeout  time.Duration `yaml:"lock_timeout" doc:"How long to wait at start for another process to leave it. Default 15s."`
	KeyFile      string        `yaml:"key_file" doc:"The keys with which events are encrypted in it, the base64 of 32 random bytes each, one a line: the first encrypts, the others only read. Default: what the environment names (ADMINSESSIONS_SPOOL_KEY…); without a key they are not encrypted."`
}
