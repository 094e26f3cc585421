package proxy

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/exchangetest"
)

// tells is a panel that says something of each request.
func tells(headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header()[headers[i]] = append(w.Header()[headers[i]], headers[i+1])
		}
		fmt.Fprint(w, "done")
	}
}

func TestWhatThePanelSaysIsOnRecordAndNotSent(t *testing.T) {
	r := newRig(t, "", tells(
		"X-Audit-User", "anna@example.com", "X-Audit-Id", "7", "X-Audit-Name", "Anna Żółć",
		"X-Audit-Action", "clients.suspend", "X-Audit-Resource", "client/7731 Acme & Sons", "X-Audit-Outcome", "failure",
		"X-Audit-Note", "one", "X-Audit-Note", "UTF-8''dwa%20%C5%BC", "X-Audit-Tenant", "acme", "X-Audit-Actor", "agent key-17",
		"X-Audit-Reason", "ticket 7", "X-Audit-Changes", `{"status":["active","closed"],"limit":[null,5],"password":["a","b"]}`,
	))
	resp := r.do("POST", "/clients/7731", "x")
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Audit") {
			t.Errorf("the client got %s: %q", name, resp.Header[name])
		}
	}
	e := r.only()
	want := adminsessions.Event{
		User: adminsessions.User{ID: "7", FullName: "Anna Żółć", Email: "anna@example.com"}, Action: "clients.suspend",
		Resource: adminsessions.Resource{Type: "client", ID: "7731", Name: "Acme & Sons"}, Outcome: "failure", Note: "one\ndwa ż",
		Actor: adminsessions.Actor{Type: "agent", CredentialID: "key-17", TenantID: "acme"}, Reason: "ticket 7",
		Changes: []adminsessions.Change{{Field: "limit", New: "5"}, {Field: "password", Old: "REDACTED", New: "REDACTED"}, {Field: "status", Old: "active", New: "closed"}},
	}
	if e.User != want.User || e.Action != want.Action || e.Resource != want.Resource || e.Outcome != want.Outcome || e.Note != want.Note ||
		e.Actor != want.Actor || e.Reason != want.Reason || !slices.Equal(e.Changes, want.Changes) {
		t.Errorf("recorded %s", e.Line())
	}
}

// Each framework has its own way with letters that are not ASCII.
func TestNamesInAllScripts(t *testing.T) {
	for _, value := range []string{"Anna Żółć", "=?utf-8?b?QW5uYSDFu8OzxYLEhw==?=", "=?utf-8?q?Anna_=C5=BB=C3=B3=C5=82=C4=87?=", "UTF-8''Anna%20%C5%BB%C3%B3%C5%82%C4%87", "utf-8''Anna%20%c5%bb%c3%b3%c5%82%c4%87"} {
		r := newRig(t, "", tells("X-Audit-Name", value))
		r.do("GET", "/", "")
		if e := r.only(); e.User.FullName != "Anna Żółć" {
			t.Errorf("%q: %s", value, e.Line())
		}
	}
}

func TestWhatIsNotUnderstoodIsMarkedAndKept(t *testing.T) {
	for name, c := range map[string]struct{ header, value string }{
		"no JSON":          {"X-Audit-Changes", `{"a":`},
		"no pairs":         {"X-Audit-Changes", `{"a":[1]}`},
		"another outcome":  {"X-Audit-Outcome", "great"},
		"another actor":    {"X-Audit-Actor", "root"},
		"no UTF-8":         {"X-Audit-Name", "Anna \xff"},
		"a bad escape":     {"X-Audit-Name", "UTF-8''%zz"},
		"an unknown name":  {"X-Audit-Whatever", "something"},
		"something behind": {"X-Audit-Changes", `{} {}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "", tells(c.header, c.value, "X-Audit-Action", "x.y"))
			if resp := r.do("GET", "/", ""); len(resp.Header[c.header]) > 0 {
				t.Error("the client got it")
			}
			e := r.only()
			attrs := attributes(e)
			short := strings.TrimPrefix(c.header, "X-Audit-")
			if attrs["admin.panel.refused"] != short || attrs["admin.panel."+strings.ToLower(short)] == "" || e.Action != "x.y" {
				t.Errorf("recorded %s", e.Line())
			}
			if n := testutil.ToFloat64(r.g.metrics.headersRefused); n != 1 {
				t.Errorf("counted %v", n)
			}
		})
	}
	r := newRig(t, "", tells("X-Audit-Action", "Trail.verified"))
	r.do("GET", "/", "")
	if e := r.only(); strings.HasPrefix(strings.ToLower(e.Action), "trail.") {
		t.Errorf("a panel has an action of the trail's own: %s", e.Line())
	}
	r = newRig(t, "", tells("X_Audit_User", "anna@example.com", "X-Audit_Note", "one", "X-Audit-Note", "two"))
	for name := range r.do("GET", "/", "").Header {
		if strings.Contains(strings.ToLower(name), "audit") {
			t.Errorf("the client got %s", name)
		}
	}
	if e := r.only(); e.User.Email != "anna@example.com" || !strings.Contains(e.Note, "one") || !strings.Contains(e.Note, "two") {
		t.Errorf("recorded %s", e.Line())
	}
	r = newRig(t, "", tells("X-Audit-Action", "a.b", "X-Audit-Action", "c.d"))
	r.do("GET", "/", "")
	if e := r.only(); attributes(e)["admin.panel.action"] != "a.b, c.d" {
		t.Errorf("recorded %s", e.Line())
	}
}

func TestInformationalAnswersAndTrailersAreLookedThroughAsWell(t *testing.T) {
	panel := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.Header().Set("X-Audit-Note", "early")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("X-Audit-Note")
		w.Header().Set("Trailer", "X-Audit-Action, Checksum")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Audit-Action", "files.send")
		w.Header().Set("Checksum", "abc")
		w.Header().Set(http.TrailerPrefix+"X-Audit-Note", "late")
	}
	for _, tls := range []bool{false, true} {
		r := startRig(t, "", http.HandlerFunc(panel), tls)
		seen := seenBy(exchangetest.Informational)(t, r.proxy)
		if strings.Contains(seen, "Audit") || strings.Contains(seen, "late") || !strings.Contains(seen, "Checksum [abc]") || !strings.Contains(seen, "103 [</a>]") {
			t.Errorf("the client saw %s", seen)
		}
		e := r.only()
		if e.Action != "files.send" || e.Note != "early\nlate" {
			t.Errorf("recorded %s", e.Line())
		}
	}
}

// An answer keeps its request id also behind informational ones.
func TestTheRequestIDIsSent(t *testing.T) {
	r := newRig(t, "", func() http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, req.Header.Get("X-Request-Id"))
		}
	}())
	resp := r.do("GET", "/", "", "X-Request-Id", "mine")
	id := resp.Header.Get("X-Request-Id")
	if e := r.only(); id == "" || id == "mine" || e.RequestID != id || body(resp) != id {
		t.Errorf("sent %q, recorded %s", id, e.Line())
	}
}

func FuzzSaid(f *testing.F) {
	f.Add("X-Audit-Changes", `{"a":[1,2]}`)
	f.Add("X-Audit-Name", "=?utf-8?b?QW5uYQ==?=")
	f.Add("X-Audit-Resource", "a/b c")
	f.Fuzz(func(_ *testing.T, _, value string) {
		_, _ = decoded(value)
		_, _, _ = changes(value)
		_ = resourceOf(value)
	})
}

// Which file the proxy goes by is on record, whatever in it has changed.
func TestTheConfigurationIsOnRecord(t *testing.T) {
	one := newRig(t, "", tells())
	other := newRig(t, "who: [{basic: {}}]", tells())
	digest := func(r *rig) string { return attributes(r.sink.Policies()[0])["policy.rules_from"] }
	if a, b := digest(one), digest(other); !strings.HasPrefix(a, "proxy.yaml sha256:") || a == b {
		t.Errorf("%q and %q", a, b)
	}
}
