package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/adminsessions/adminsessions"
)

// issuer is an OpenID provider with one key.
type issuer struct {
	*httptest.Server
	key   *ecdsa.PrivateKey
	asked atomic.Int64 // for its keys
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL, "token_endpoint": i.URL})
		case "/keys":
			i.asked.Add(1)
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256"}}})
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func sign(t testing.TB, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensAreBelievedOnlyIfTheyAreMeantForUs(t *testing.T) {
	i := newIssuer(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{"iss": i.URL, "aud": "panel", "sub": "7", "email": "anna@example.com", "exp": time.Now().Add(time.Hour).Unix(), "jti": "key-1", "org": map[string]any{"id": "acme"}, "kind": "agent"}
		maps.Copy(c, change)
		return c
	}
	good := sign(t, i.key, jose.ES256, "1", claims(nil))
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		token string
		ok    bool
	}{
		"a good one":        {good, true},
		"verified":          {sign(t, i.key, jose.ES256, "1", claims(map[string]any{"email_verified": true})), true},
		"another audience":  {sign(t, i.key, jose.ES256, "1", claims(map[string]any{"aud": "other"})), false},
		"another issuer":    {sign(t, i.key, jose.ES256, "1", claims(map[string]any{"iss": "https://evil.example"})), false},
		"over":              {sign(t, i.key, jose.ES256, "1", claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})), false},
		"another key":       {sign(t, other, jose.ES256, "1", claims(nil)), false},
		"an unknown key":    {sign(t, other, jose.ES256, "2", claims(nil)), false},
		"signed with words": {sign(t, []byte("0123456789abcdef0123456789abcdef"), jose.HS256, "1", claims(nil)), false},
		"no signature":      {"eyJhbGciOiJub25lIn0." + parts[1] + ".", false},
		"changed":           {parts[0] + "." + parts[1] + "A." + parts[2], false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel, header: X-Assertion, claims: {tenant: org.id, actor: kind}}}]", i.URL), http.HandlerFunc(seen))
			for range 2 { // the second is remembered
				r.do("GET", "/", "", "X-Assertion", c.token)
			}
			for _, e := range r.requests() {
				who := adminsessions.User{ID: "7", Email: "anna@example.com"}
				actor := adminsessions.Actor{Type: "agent", TenantID: "acme", CredentialID: "key-1"}
				if (e.User == who && e.Actor == actor) != c.ok || !c.ok && (!e.User.IsZero() || attributes(e)["admin.who"] != "the token was refused") {
					t.Errorf("recorded %s", e.Line())
				}
				if strings.Contains(e.Line(), c.token) {
					t.Error("the token is on record")
				}
			}
			if n := testutil.ToFloat64(r.g.metrics.tokensRefused); (n == 0) != c.ok {
				t.Errorf("counted %v", n)
			}
		})
	}
}

// Numbers name somebody as well.
func TestNumbersInTokens(t *testing.T) {
	i := newIssuer(t)
	r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel, claims: {id: user.id, tenant: org}}}]", i.URL), http.HandlerFunc(seen))
	r.do("GET", "/", "", "Authorization", "Bearer "+sign(t, i.key, jose.ES256, "1", map[string]any{"iss": i.URL, "aud": "panel", "sub": "x", "user": map[string]any{"id": json.Number("12345678901234567890")}, "org": 42, "exp": time.Now().Add(time.Hour).Unix()}))
	if e := r.only(); e.User.ID != "12345678901234567890" || e.Actor.TenantID != "42" {
		t.Errorf("recorded %s", e.Line())
	}
}

// An address that the issuer has not verified is anybody's: it names nobody, and
// opens no page.
func TestAnAddressThatIsNotVerifiedNamesNobody(t *testing.T) {
	i := newIssuer(t)
	for _, verified := range []any{false, "false", "no", 0} {
		r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel}}]\npage: {path: /trail/, viewers: [{emails: ['anna@example.com']}]}", i.URL), http.HandlerFunc(seen))
		token := "Bearer " + sign(t, i.key, jose.ES256, "1", map[string]any{"iss": i.URL, "aud": "panel", "sub": "7", "email": "anna@example.com", "email_verified": verified, "exp": time.Now().Add(time.Hour).Unix()})
		if resp := r.do("GET", "/trail/", "", "Authorization", token); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%v: the page answers %s", verified, resp.Status)
		}
		if e := r.only(); e.User.Email != "" || e.User.ID != "7" {
			t.Errorf("%v: recorded %s", verified, e.Line())
		}
	}
}

// Tokens with keys that do not exist must not become a flood at the issuer.
func TestTheIssuerIsNotAskedForEachToken(t *testing.T) {
	i := newIssuer(t)
	r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel}}]", i.URL), http.HandlerFunc(seen))
	for n := range 20 {
		r.do("GET", "/", "", "Authorization", "Bearer "+sign(t, i.key, jose.ES256, fmt.Sprint("unknown", n), map[string]any{"iss": i.URL, "aud": "panel", "exp": time.Now().Add(time.Hour).Unix()}))
	}
	if n := i.asked.Load(); n > 2 {
		t.Errorf("asked %d times", n)
	}
}

// An issuer that is away is no reason not to start, and costs no request more
// than its time.
func TestAnIssuerThatIsAway(t *testing.T) {
	i := newIssuer(t)
	token := sign(t, i.key, jose.ES256, "1", map[string]any{"iss": i.URL, "aud": "panel", "exp": time.Now().Add(time.Hour).Unix()})
	i.Close()
	r := newRig(t, fmt.Sprintf("who: [{jwt: {issuer: '%s', audience: panel}}]", i.URL), http.HandlerFunc(seen))
	if resp := r.do("GET", "/", "", "Authorization", "Bearer "+token); resp.StatusCode != 200 {
		t.Errorf("answered %s", resp.Status)
	}
	if e := r.only(); !e.User.IsZero() || attributes(e)["admin.who"] == "" {
		t.Errorf("recorded %s", e.Line())
	}
}
