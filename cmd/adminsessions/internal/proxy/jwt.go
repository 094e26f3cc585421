package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/adminsessions/adminsessions"
)

// Bounds of the work that tokens can make.
const (
	maxTokenBytes   = 16 << 10
	maxTokens       = 10_000           // remembered
	tokenHolds      = time.Minute      // without being verified again, and never past its end
	keysEvery       = 10 * time.Second // at the most: an unknown key makes us ask for the keys
	keysTimeout     = 5 * time.Second
	maxKeysAnswer   = 1 << 20
	maxRedirections = 3
)

// tokens finds who sends a request in a signed token.
type tokens struct {
	config  *JWT
	keys    *keySet
	rules   *oidc.Config
	known   *lru.Cache[[sha256.Size]byte, knownToken]
	refused func()
	now     func() time.Time
}

type knownToken struct {
	who   identity
	until time.Time
}

func newTokens(c *JWT, refused func()) (*tokens, error) {
	pool, err := certificates(c.CAFile)
	if err != nil {
		return nil, err
	}
	known, err := lru.New[[sha256.Size]byte, knownToken](maxTokens)
	if err != nil {
		return nil, err
	}
	keys := &keySet{config: c, now: time.Now, client: &http.Client{
		Timeout: keysTimeout,
		Transport: bounded{&http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: keysTimeout, IdleConnTimeout: time.Minute,
		}},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirections {
				return errors.New("too many redirections")
			}
			return nil
		},
	}}
	return &tokens{
		config: c, known: known, refused: refused, now: time.Now, keys: keys,
		rules: &oidc.Config{ClientID: c.Audience, SupportedSigningAlgs: c.Algs},
	}, nil
}

func (t *tokens) identify(r *http.Request) identity {
	token, err := t.find(r)
	if err != nil {
		t.refused()
		return identity{unknown: err.Error()}
	}
	if token == "" {
		return identity{}
	}
	sum := sha256.Sum256([]byte(token))
	if known, ok := t.known.Get(sum); ok && t.now().Before(known.until) {
		return known.who
	}
	ctx, cancel := context.WithTimeout(r.Context(), keysTimeout)
	defer cancel()
	keys := &asking{keySet: t.keys}
	verified, err := oidc.NewVerifier(t.config.Issuer, keys, t.rules).Verify(ctx, token)
	if err != nil {
		t.refused()
		if keys.failed {
			return identity{unknown: "the keys of the token's issuer could not be had"}
		}
		return identity{unknown: "the token was refused"}
	}
	var raw json.RawMessage
	err = verified.Claims(&raw)
	claims, jsonErr := decodeJSON(bytes.NewReader(raw)) // with numbers as they are written: "sub": 7
	if err != nil || jsonErr != nil {
		t.refused()
		return identity{unknown: "the token was refused"}
	}
	who := t.config.Claims.identity(claims)
	if v, ok := textAt(claims, "email_verified"); ok && !strings.EqualFold(v, "true") {
		who.user.Email = "" // anybody may have told the issuer so
		if who.isZero() {
			who.unknown = "the token's e-mail address is not verified"
		}
	}
	until := t.now().Add(tokenHolds)
	if verified.Expiry.Before(until) {
		until = verified.Expiry
	}
	t.known.Add(sum, knownToken{who, until})
	return who
}

// find is the token of a request, or "". Several may be read by the panel one way
// or the other.
func (t *tokens) find(r *http.Request) (string, error) {
	values := r.Header[http.CanonicalHeaderKey(t.config.Header)]
	if t.config.Cookie != "" {
		values = nil
		for _, cookie := range cookiesOf(r, []string{t.config.Cookie}) {
			_, value, _ := strings.Cut(cookie, "=")
			values = append(values, strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", errors.New("there are several tokens")
	}
	token := values[0]
	if scheme, rest, ok := strings.Cut(token, " "); ok && t.config.Cookie == "" {
		if !strings.EqualFold(scheme, "Bearer") {
			return "", nil
		}
		token = strings.TrimSpace(rest)
	}
	switch {
	case strings.Count(token, ".") != 2:
		return "", nil // another kind of credential
	case len(token) > maxTokenBytes:
		return "", errors.New("the token is too long")
	}
	return token, nil
}

// identity is what stands in claims, or in an answer of the panel.
func (c *Claims) identity(v any) identity {
	get := func(path string) string {
		s, _ := textAt(v, path)
		return s
	}
	id := identity{
		user:  adminsessions.User{ID: get(c.ID), Email: get(c.Email), FullName: get(c.Name)},
		actor: adminsessions.Actor{CredentialID: get(c.Credential), TenantID: get(c.Tenant)},
	}
	switch kind := adminsessions.ActorType(get(c.Actor)); kind {
	case adminsessions.ActorUser, adminsessions.ActorService, adminsessions.ActorAgent:
		id.actor.Type = kind
	case adminsessions.ActorSystem: // nobody who comes with a token is the panel itself
	}
	return id
}

// keySet is the issuer's keys. It asks for them when they are needed first, so
// that an issuer that is away is no reason not to start.
type keySet struct {
	config *JWT
	client *http.Client
	now    func() time.Time

	mu   sync.Mutex
	keys *oidc.RemoteKeySet // nil until it is known where they are
	next time.Time          // when the issuer may be asked again

	away atomic.Bool // it had no keys when it was asked last
}

// asking is one question to the keys. The verifier does not hand on why it
// failed.
type asking struct {
	*keySet
	failed bool // the keys could not be had
}

// VerifySignature implements [oidc.KeySet].
func (a *asking) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	keys, err := a.find(ctx)
	if err != nil {
		a.failed = true
		return nil, err
	}
	payload, err := keys.VerifySignature(ctx, token)
	a.failed = err != nil && a.away.Load()
	return payload, err
}

func (k *keySet) find(ctx context.Context) (*oidc.RemoteKeySet, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys != nil {
		return k.keys, nil
	}
	lasting := oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{
		Timeout: k.client.Timeout, CheckRedirect: k.client.CheckRedirect,
		Transport: &paced{to: k.client.Transport, now: k.now, away: &k.away},
	})
	where := k.config.JWKS
	if where == "" {
		if now := k.now(); now.Before(k.next) {
			return nil, errors.New("asked a moment ago")
		}
		k.next = k.now().Add(keysEvery)
		provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.config.Issuer)
		if err != nil {
			return nil, err
		}
		var found struct {
			JWKS string `json:"jwks_uri"`
		}
		if err := provider.Claims(&found); err != nil {
			return nil, err
		}
		where = found.JWKS
	}
	k.keys = oidc.NewRemoteKeySet(lasting, where)
	return k.keys, nil
}

// paced asks no more often than every [keysEvery]: tokens with keys that do not
// exist must not become a flood at the issuer.
type paced struct {
	to   http.RoundTripper
	now  func() time.Time
	away *atomic.Bool

	mu   sync.Mutex
	next time.Time
}

func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	now := p.now()
	soon := now.Before(p.next)
	if !soon {
		p.next = now.Add(keysEvery)
	}
	p.mu.Unlock()
	if soon {
		return nil, errors.New("the issuer's keys were asked for a moment ago")
	}
	resp, err := p.to.RoundTrip(r)
	p.away.Store(err != nil || resp.StatusCode != http.StatusOK)
	return resp, err
}

// bounded cuts answers that are no keys.
type bounded struct{ to http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.to.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxKeysAnswer)
	}
	return resp, err
}
