package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// Attributes that say that something the panel said was not understood, and
// what it was: it is kept, though it could not be put where it belongs.
const (
	saidKey    = "admin.panel.refused" // the headers, by their names
	saidPrefix = "admin.panel."        // what stood in one of them
)

// takeSaid takes what a panel says out of an answer's header, or its trailer.
func takeSaid(h http.Header) (said http.Header) {
	for name, values := range h {
		what := meant(name)
		if !strings.HasPrefix(what, auditPrefix) {
			continue
		}
		if said == nil {
			said = http.Header{}
		}
		said[what] = append(said[what], values...)
		delete(h, name)
	}
	return said
}

var (
	errTwice   = errors.New("there is more than one")
	errUnknown = errors.New("there is no such header")
	errText    = errors.New("it is not text in UTF-8")
)

// record puts on record what a panel says. It returns the names of the headers
// that it could not understand.
func record(rec instrumentation.Recording, said http.Header) (refused []string) {
	if len(said) == 0 {
		return nil
	}
	t := telling{rec: rec, said: said}
	names := slices.Sorted(maps.Keys(said))
	for _, name := range names {
		values := said[name]
		err := t.take(name, values)
		if err == nil {
			continue
		}
		short := strings.TrimPrefix(name, auditPrefix)
		refused = append(refused, short)
		raw := strings.Join(values, ", ")
		rec.Annotate("", attribute.String(saidPrefix+strings.ToLower(short), strings.ToValidUTF8(raw, "\u25a1")))
	}
	t.finish()
	if len(refused) > 0 {
		rec.Annotate("", attribute.String(saidKey, strings.Join(refused, ", ")))
	}
	return refused
}

// telling collects what belongs together though it stands in several headers.
type telling struct {
	rec      instrumentation.Recording
	said     http.Header
	user     adminsessions.User
	nobody   bool
	hasUser  bool
	actor    adminsessions.Actor
	hasActor bool
}

func (t *telling) take(name string, values []string) error {
	if name == auditPrefix+"Note" {
		for _, v := range values {
			note, err := decoded(v)
			if err != nil {
				return err
			}
			t.rec.Annotate(note)
		}
		return nil
	}
	if len(values) != 1 {
		return errTwice
	}
	v, err := decoded(values[0])
	if err != nil {
		return err
	}
	switch strings.TrimPrefix(name, auditPrefix) {
	case "User":
		t.hasUser = true
		switch {
		case v == "-" || v == "":
			t.nobody = true
		case strings.Contains(v, "@"):
			t.user.Email = v
		case t.user.ID == "":
			t.user.ID = v
		}
	case "Id":
		t.user.ID, t.hasUser = v, true
	case "Email":
		t.user.Email, t.hasUser = v, true
	case "Name":
		t.user.FullName, t.hasUser = v, true
	case "Tenant":
		t.actor.TenantID, t.hasActor = v, true
	case "Actor":
		kind, credential, _ := strings.Cut(v, " ")
		if !slices.Contains(instrumentation.PolicyActors()[1:], adminsessions.ActorType(kind)) {
			return fmt.Errorf("%q: want user, service, agent or system", kind)
		}
		t.actor.Type, t.actor.CredentialID, t.hasActor = adminsessions.ActorType(kind), strings.TrimSpace(credential), true
	case "Action":
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(v)), "trail.") {
			return errTrail
		}
		t.rec.SetAction(v)
	case "Resource":
		t.rec.SetResource(resourceOf(v))
	case "Outcome":
		o := adminsessions.Outcome(v)
		switch o {
		case adminsessions.OutcomeSuccess, adminsessions.OutcomeDenied, adminsessions.OutcomeFailure, adminsessions.OutcomeError:
			t.rec.SetOutcome(o)
		default:
			return fmt.Errorf("%q: want success, denied, failure or error", v)
		}
	case "Reason":
		t.rec.SetReason(v)
	case "Changes":
		old, now, err := changes(v)
		if err != nil {
			return err
		}
		t.rec.Changed(old, now)
	default:
		return errUnknown
	}
	return nil
}

func (t *telling) finish() {
	if t.hasUser {
		if t.nobody {
			t.user = adminsessions.User{}
		}
		t.rec.SetAdmin(t.user)
	}
	if t.hasActor {
		t.rec.SetActor(t.actor)
	}
}

// decoded reads a header's value: UTF-8 as it is, the encoded words that Python's
// frameworks make of it (RFC 2047), or UTF-8” and percent-encoding (RFC 8187) for
// those whose headers take ASCII only.
func decoded(v string) (string, error) {
	switch {
	case strings.HasPrefix(strings.ToUpper(v), "UTF-8''"):
		text, err := url.PathUnescape(v[len("UTF-8''"):])
		if err != nil {
			return "", err
		}
		v = text
	case strings.HasPrefix(v, "=?"):
		text, err := new(mime.WordDecoder).DecodeHeader(v)
		if err != nil {
			return "", err
		}
		v = text
	}
	if !utf8.ValidString(v) {
		return "", errText
	}
	return v, nil
}

// resourceOf reads TYPE/ID NAME: client/7731 Acme & Sons.
func resourceOf(s string) adminsessions.Resource {
	which, name, _ := strings.Cut(strings.TrimSpace(s), " ")
	kind, id, _ := strings.Cut(which, "/")
	return adminsessions.Resource{Type: kind, ID: id, Name: strings.TrimSpace(name)}
}

// changes reads {"field": [old, new], …}. null means that there was, or is, no
// value.
func changes(s string) (old, now map[string]any, err error) {
	var fields map[string][]any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil || d.More() {
		return nil, nil, errors.New(`want {"field": [old, new], …}`)
	}
	old, now = map[string]any{}, map[string]any{}
	for field, pair := range fields {
		if len(pair) != 2 {
			return nil, nil, fmt.Errorf("%q: want [old, new]", field)
		}
		if pair[0] != nil {
			old[field] = pair[0]
		}
		if pair[1] != nil {
			now[field] = pair[1]
		}
	}
	return old, now, nil
}
