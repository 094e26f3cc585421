package proxy

import (
	"encoding/base64"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// identity is who sends a request, as far as that is known before the panel has
// answered.
type identity struct {
	user  adminsessions.User
	actor adminsessions.Actor
	// pending says that it counts only if the panel does not answer 401.
	pending bool
	// unknown says why nobody could be asked, where somebody should have been.
	unknown string
}

func (id *identity) isZero() bool { return id.user.IsZero() }

// identifier is one way to find out who sends a request. It returns the zero
// identity if it does not know, and reports whether the next is to be asked.
type identifier interface {
	identify(r *http.Request) identity
}

// whoKey is the attribute that says that it could not be found out who it was.
const whoKey = "admin.who"

// identify asks one after the other.
func (g *generation) identify(r *http.Request) identity {
	var id identity
	unknown := ""
	for _, i := range g.identifiers {
		if id = i.identify(r); !id.isZero() {
			break
		}
		if id.unknown != "" {
			unknown = id.unknown
		}
	}
	if id.isZero() {
		id.unknown = unknown
	}
	return id
}

// admin is who sends a request, for the middleware, which asks once, before the
// request is handled.
func (g *generation) admin(r *http.Request) adminsessions.User {
	v := visitOf(r)
	v.who, v.asked = g.identify(r), true
	if v.who.pending {
		return adminsessions.User{}
	}
	return v.who.user
}

// actor is what kind of actor it is. The middleware asks behind admin.
func (g *generation) actor(r *http.Request) adminsessions.Actor {
	v := visitOf(r)
	if v.who.pending {
		return adminsessions.Actor{}
	}
	return v.who.actor
}

// complete adds to the record what the middleware did not ask for.
func (v *visit) complete() {
	if !v.who.pending && v.who.unknown != "" {
		v.recording.Annotate("", attribute.String(whoKey, v.who.unknown))
	}
}

// known is what an answer says of who has asked.
func (g *generation) known(v *visit, resp *http.Response) {
	for _, i := range g.identifiers {
		if l, ok := i.(*lookup); ok {
			l.forget(v, resp)
		}
	}
	if !v.who.pending {
		return
	}
	name := v.who.user.Email + v.who.user.ID
	if resp.StatusCode == http.StatusUnauthorized {
		v.recording.SignIn(name, adminsessions.SignInFailure)
		return
	}
	v.recording.SetAdmin(v.who.user)
}

// basicName is the name of HTTP Basic authentication.
type basicName struct{ email bool }

func (b basicName) identify(r *http.Request) identity {
	var names []string
	for _, value := range r.Header["Authorization"] {
		if scheme, credentials, _ := strings.Cut(strings.TrimSpace(value), " "); strings.EqualFold(scheme, "Basic") {
			names = append(names, nameInBasic(credentials))
		}
	}
	switch {
	case len(names) == 0:
		return identity{}
	case len(r.Header["Authorization"]) > 1:
		return identity{unknown: "there are several Authorization headers"}
	case names[0] == "":
		return identity{unknown: "no name can be read in the Authorization header"}
	}
	name := names[0]
	if b.email || strings.Contains(name, "@") {
		return identity{user: adminsessions.User{Email: name}, pending: true}
	}
	return identity{user: adminsessions.User{ID: name}, pending: true}
}

// nameInBasic is the name in Basic credentials, read as leniently as any
// framework does it: PHP's passes over what is not base64, and takes it without
// its padding. Whoever is let in that way must not be nobody in the record.
func nameInBasic(credentials string) string {
	plain := strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			return c
		case c == '-':
			return '+'
		case c == '_':
			return '/'
		}
		return -1
	}, credentials)
	if len(plain)%4 == 1 {
		plain = plain[:len(plain)-1] // six bits make no byte
	}
	text, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		return ""
	}
	name, _, ok := strings.Cut(string(text), ":")
	if !ok {
		return ""
	}
	return strings.TrimSpace(name)
}

// trustedHeaders are those of an authenticating proxy.
type trustedHeaders struct{ *TrustedHeaders }

func (h trustedHeaders) identify(r *http.Request) identity {
	if !isTrusted(r, h.From, h.UnixSocket) {
		return identity{}
	}
	// A header that is there twice may be the client's beside the proxy's.
	unknown := ""
	get := func(name string) string {
		values := r.Header[http.CanonicalHeaderKey(name)]
		if name == "" || len(values) == 0 {
			return ""
		}
		v, err := decoded(values[0])
		if err == nil && len(values) == 1 {
			return v
		}
		unknown = "the header " + name + " can't be read, or is there twice"
		return ""
	}
	user := adminsessions.User{ID: get(h.ID), Email: get(h.Email), FullName: get(h.Name)}
	actor := adminsessions.Actor{TenantID: get(h.Tenant)}
	return identity{user: user, actor: actor, unknown: unknown}
}
