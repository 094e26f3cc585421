package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/adminsessions/adminsessions"
)

// seen is a panel that answers with the headers it has got.
func seen(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{"headers": r.Header, "host": r.Host})
}

func panelSaw(t testing.TB, resp *http.Response) (h http.Header) {
	t.Helper()
	var v struct{ Headers http.Header }
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v.Headers
}

func TestNobodyCanSayWhoHeIs(t *testing.T) {
	forged := []string{
		"X-Auth-Request-Email", "eve@example.com", "X_auth_request_email", "eve@example.com",
		"X-Audit-User", "eve@example.com", "X_audit_user", "eve@example.com", "X-Audit-Note", "forged", "x-audit-reason", "because",
		"X-Forwarded-For", "10.9.9.9", "X_forwarded_for", "10.9.9.9", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https",
		"X-Forwarded-Prefix", "/x", "X-Real-Ip", "10.9.9.9", "Forwarded", "for=10.9.9.9", "True-Client-Ip", "10.9.9.9",
		"X-Original-Url", "/elsewhere", "X-Rewrite-Url", "/elsewhere",
	}
	for from, want := range map[string]string{"192.0.2.1/32": "", "127.0.0.1/32": "eve@example.com"} {
		r := newRig(t, "who: [{headers: {from: ["+from+"], email: X-Auth-Request-Email}}]", http.HandlerFunc(seen))
		h := panelSaw(t, r.do("GET", "/", "", forged...))
		for name, values := range h {
			switch meant(name) {
			case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
				if strings.Contains(name, "_") || slices.Contains(values, "10.9.9.9") || slices.Contains(values, "evil.example") || slices.Contains(values, "https") {
					t.Errorf("the panel saw %s: %q", name, values)
				}
			case "X-Auth-Request-Email":
				if want == "" || name != "X-Auth-Request-Email" {
					t.Errorf("the panel saw %s: %q", name, values)
				}
			case "X-Audit-Reason":
			default:
				if strings.HasPrefix(meant(name), "X-Audit-") || isForwarding(meant(name)) {
					t.Errorf("the panel saw %s: %q", name, values)
				}
			}
		}
		e := r.only()
		if e.User.Email != want || e.Note != "" || e.ClientAddress.String() != "127.0.0.1" || !strings.HasPrefix(e.URL, "http://127.0.0.1:") {
			t.Errorf("recorded %s", e.Line())
		}
	}
}

func TestAHeaderThatIsThereTwiceSaysNothing(t *testing.T) {
	r := newRig(t, "who: [{headers: {from: [127.0.0.1/32], email: X-Email, name: X-Name}}]", http.HandlerFunc(seen))
	r.do("GET", "/", "", "X-Email", "eve@example.com", "X-Email", "anna@example.com")
	if e := r.only(); !e.User.IsZero() {
		t.Errorf("recorded %s", e.Line())
	}
}

func TestWhatTrustedProxiesSayIsHandedOn(t *testing.T) {
	r := newRig(t, "policy: {trusted_proxies: {addresses: [127.0.0.1/32]}}", http.HandlerFunc(seen))
	h := panelSaw(t, r.do("GET", "/x", "", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "panel.example", "X_forwarded_for", "1.2.3.4"))
	if h.Get("X-Forwarded-For") != "203.0.113.9, 127.0.0.1" || h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-Host") != "panel.example" || h.Get("X_forwarded_for") != "" {
		t.Errorf("the panel saw %q", h)
	}
	if e := r.only(); e.ClientAddress.String() != "203.0.113.9" || e.URL != "https://panel.example/x" {
		t.Errorf("recorded %s", e.Line())
	}
}

func TestBasicNamesCountOnlyIfThePanelTakesThem(t *testing.T) {
	for status, want := range map[int][2]string{200: {"anna", ""}, 403: {"anna", ""}, 401: {"", "failure"}} {
		r := newRig(t, "who: [{basic: {}}]", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		r.do("GET", "/", "", "Authorization", "Basic YW5uYTpzZWNyZXQ=")
		if e := r.only(); e.User.ID != want[0] || string(e.SignIn.Outcome) != want[1] || strings.Contains(e.Line(), "secret") {
			t.Errorf("%d: recorded %s", status, e.Line())
		}
	}
}

// meansWho is a panel that tells who is signed in, by a cookie, and counts how
// often it is asked.
func meansWho(asked *atomic.Int64, delay time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/me" {
			if r.URL.Path == "/login" {
				http.SetCookie(w, &http.Cookie{Name: "sid", Value: "anna"})
			}
			return
		}
		asked.Add(1)
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-r.Context().Done():
				return
			}
		}
		c, err := r.Cookie("sid")
		if err != nil || c.Value == "nobody" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if c.Value == "broken" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"data":{"id":7,"mail":"%s@example.com","tenant":"acme"},"other":1}`, c.Value)
	}
}

const lookupConfig = `who: [{lookup: {url: /api/me, cookies: [sid], timeout: 20s, fields: {id: data.id, email: data.mail, tenant: data.tenant}}}]`

func TestThePanelIsAskedOncePerSession(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, lookupConfig, meansWho(&asked, 0))
	for range 3 {
		r.do("GET", "/x", "", "Cookie", "sid=anna; theme=dark")
	}
	r.do("GET", "/x", "", "Cookie", "sid=ben")
	r.do("GET", "/x", "", "Cookie", "sid=nobody")
	r.do("GET", "/x", "", "Cookie", "theme=dark")
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times, want once a session", n)
	}
	var got []string
	for _, e := range r.requests() {
		got = append(got, e.User.Email+" "+e.User.ID+" "+e.Actor.TenantID)
		if len(e.SessionID) != 32 && e.User.Email != "" {
			t.Errorf("no session in %s", e.Line())
		}
	}
	anna := "anna@example.com 7 acme"
	if want := []string{anna, anna, anna, "ben@example.com 7 acme", "  ", "  "}; !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

// A panel that holds a session to an address or a browser must not take the
// question for somebody else's.
func TestThePanelIsAskedAsTheClientAsks(t *testing.T) {
	asked := make(chan *http.Request, 1)
	r := newRig(t, lookupConfig+"\npolicy: {trusted_proxies: {addresses: [127.0.0.1/32]}}", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/me" {
			asked <- r
		}
	}))
	r.do("POST", "/x", "body", "Cookie", "sid=anna; theme=dark", "User-Agent", "Browser/1", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Audit-Reason", "x", "Authorization", "Basic eA==")
	q := <-asked
	for name, want := range map[string]string{"User-Agent": "Browser/1", "X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Forwarded-Proto": "https", "Cookie": "sid=anna", "Authorization": "", "X-Audit-Reason": ""} {
		if got := q.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if q.Method != "GET" || q.ContentLength != 0 {
		t.Errorf("asked with %s and %d bytes", q.Method, q.ContentLength)
	}
}

func TestAnAnswerIsForgottenWhenTheSessionChanges(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, lookupConfig, meansWho(&asked, 0))
	for _, path := range []string{"/x", "/login", "/x"} {
		r.do("GET", path, "", "Cookie", "sid=anna")
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want again after the cookie was set", n)
	}
}

func TestALookupHoldsNobodyUp(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, strings.Replace(lookupConfig, "20s", "100ms", 1), meansWho(&asked, time.Hour))
	began := time.Now()
	r.do("GET", "/x", "", "Cookie", "sid=anna")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the request took %v", took)
	}
	e := r.only()
	if attributes(e)["admin.who"] != "the panel has not said in time who it is" || !e.User.IsZero() {
		t.Errorf("recorded %s", e.Line())
	}
	if n := testutil.ToFloat64(r.g.metrics.lookups.WithLabelValues(lookupLate)); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestAPanelThatDoesNotKnowIsLeftAlone(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, lookupConfig, meansWho(&asked, 0))
	for i := range 20 {
		r.do("GET", "/x", "", "Cookie", fmt.Sprintf("sid=broken; sid=x%d", i))
	}
	if n := asked.Load(); n != circuitAfter {
		t.Errorf("asked %d times, want %d", n, circuitAfter)
	}
	for _, e := range r.requests() {
		if !strings.HasPrefix(attributes(e)["admin.who"], "the panel ") {
			t.Errorf("recorded %s", e.Line())
		}
	}
}

func TestSignInsAreFound(t *testing.T) {
	const config = `
sign_ins:
  - path: POST /login
    field: username
    success: {status: [302], location: /admin/, cookie: sid}
  - path: POST /api/session
    field: user.name
    success: {status: [2xx]}
`
	panel := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ok := r.FormValue("password") == "right" || strings.Contains(r.Header.Get("X-Test"), "ok")
		switch {
		case r.URL.Path == "/api/session" && ok:
			w.WriteHeader(http.StatusCreated)
		case r.URL.Path == "/api/session":
			w.WriteHeader(http.StatusUnprocessableEntity)
		case ok:
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1"})
			http.Redirect(w, r, "/admin/home", http.StatusFound)
		default:
			http.Redirect(w, r, "/login?failed", http.StatusFound)
		}
	})
	const urlencoded = "application/x-www-form-urlencoded"
	for _, c := range []struct{ path, contentType, body, test, want string }{
		{"/login", urlencoded, "username=anna%40example.com&password=right", "", "success anna@example.com"},
		{"/login", urlencoded, "username=anna%40example.com&password=wrong", "", "failure anna@example.com"},
		{"/login/", urlencoded, "username=anna%40example.com&password=wrong", "", "failure anna@example.com"},
		{"/login", urlencoded, "password=wrong", "", " "},
		{"/login", urlencoded, "username=decoy&password=x&username=anna@example.com", "", "failure anna@example.com"},
		{"/login", urlencoded, "user%6eame=anna@example.com&x=%", "", "failure anna@example.com"},
		{"/login", urlencoded, "pad=" + strings.Repeat("x", 70<<10) + "&username=anna", "", "failure "},
		{"/login", urlencoded, "username=anna@example.com&pad=" + strings.Repeat("x", 70<<10), "", "failure anna@example.com"},
		{"/other", urlencoded, "username=anna%40example.com&password=wrong", "", " "},
		{"/login", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nanna@example.com\r\n--b--\r\n", "ok", "success anna@example.com"},
		{"/login", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=username\r\n\r\ndecoy\r\n--b\r\nContent-Disposition: form-data; name=username\r\n\r\nanna@example.com\r\n--b--\r\n", "", "failure anna@example.com"},
		{"/api/session", "application/json", `{"user":{"name":"anna@example.com"}}`, "ok", "success anna@example.com"},
		{"/api/session", "application/json", `{"user":{"name":"anna@example.com"}}`, "", "failure anna@example.com"},
		{"/api/session", "application/json", `{"user":`, "", " "},
	} {
		r := newRig(t, config, panel)
		r.do("POST", c.path, c.body, "Content-Type", c.contentType, "X-Test", c.test)
		e := r.only()
		if got := string(e.SignIn.Outcome) + " " + e.SignIn.Name; got != c.want {
			t.Errorf("%s %.200s: %q, want %q", c.path, c.body, got, c.want)
		}
		if strings.Contains(c.body, "decoy") != (attributes(e)[signInKey] != "") {
			t.Errorf("two names, and only one is told of: %s", e.Line())
		}
		if strings.Contains(e.Line(), "wrong") || strings.Contains(e.Line(), "right") {
			t.Errorf("a password is on record: %s", e.Line())
		}
	}
}

func TestRequestsGoToThePanelForTheirHostAndPath(t *testing.T) {
	panel := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host, r.URL.Path) })
	r := newRig(t, `
upstreams:
  - {url: $PANEL/one, hosts: [panel.example]}
  - {url: $PANEL/two, hosts: [panel.example], paths: [/api/]}
  - {url: $PANEL/three, hosts: [other.example], host: inside.example}
`, panel)
	for host, want := range map[string]string{
		"panel.example /x": "panel.example/one/x", "panel.example:80 /api/x": "panel.example:80/two/api/x", "PANEL.example /api": "PANEL.example/two/api",
		"panel.example. /apix": "panel.example./one/apix", "other.example /api/x": "inside.example/three/api/x", "evil.example /": "421",
	} {
		name, path, _ := strings.Cut(host, " ")
		resp := r.do("GET", path, "", "Host", name)
		got := body(resp)
		if resp.StatusCode != 200 {
			got = fmt.Sprint(resp.StatusCode)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	if events := r.requests(); len(events) != 6 || testutil.ToFloat64(r.g.metrics.misdirected) != 1 {
		t.Errorf("%d on record", len(events))
	}
}

func TestAPanelThatIsAwayIsSaidToBe(t *testing.T) {
	r := newRig(t, "timeouts: {response: 50ms}", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	if resp := r.do("GET", "/slow", ""); resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("answered %s", resp.Status)
	}
	r.panel.CloseClientConnections()
	r.panel.Close()
	resp := r.do("POST", "/away", "x")
	if text := body(resp); resp.StatusCode != http.StatusBadGateway || strings.Contains(text, "127.0.0.1") || !strings.Contains(text, resp.Header.Get("X-Request-Id")) {
		t.Errorf("answered %s: %s", resp.Status, text)
	}
	var got []string
	for _, e := range r.requests() {
		got = append(got, fmt.Sprint(e.StatusCode, e.ErrorType))
	}
	if want := []string{"504" + errorTimeout, "502" + errorUnreachable}; !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

func TestAViewerSeesWhatHeMay(t *testing.T) {
	yes, no := true, false
	g := &generation{Setup: &Setup{config: Config{Page: &Page{Viewers: []Viewer{
		{Emails: []string{"anna@example.com"}}, {Emails: []string{"*@sre.example"}, Export: &no},
		{IDs: []string{"7"}, Own: true, Export: &no}, {IDs: []string{"7"}, Tenants: []string{"acme"}, Export: &yes},
	}}}}}
	for _, c := range []struct {
		who  identity
		want string
	}{
		{identity{}, "{false [] {  } false false}"},
		{identity{user: adminsessions.User{Email: "Anna@example.com"}}, "{true [] {  } false false}"},
		{identity{user: adminsessions.User{Email: "Anna@example.com"}, pending: true}, "{false [] {  } false false}"},
		{identity{user: adminsessions.User{Email: "x@sre.example"}}, "{true [] {  } true false}"},
		{identity{user: adminsessions.User{Email: "x@evil.example@sre.example"}}, "{false [] {  } false false}"},
		{identity{user: adminsessions.User{Email: "x@notsre.example"}}, "{false [] {  } false false}"},
		{identity{user: adminsessions.User{ID: "7"}}, "{false [acme] {7  } false false}"},
		{identity{user: adminsessions.User{FullName: "anna@example.com"}}, "{false [] {  } false false}"},
	} {
		r := (&http.Request{}).WithContext(withVisit(t.Context(), &visit{who: c.who}))
		if got := fmt.Sprint(g.authorize(r)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.who, got, c.want)
		}
	}
}

// A request that is refused before the panel is asked belongs to its tenant all the
// same.
func TestTheTenantOfWhatIsRefused(t *testing.T) {
	r := newRig(t, "who: [{headers: {from: [127.0.0.1/32], email: X-Email, tenant: X-Tenant}}]\n"+
		"policy: {rules: [{name: deletions, paths: [DELETE /], reason_required: true}]}", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the panel was asked") }))
	if resp := r.do("DELETE", "/clients/7", "", "X-Email", "anna@example.com", "X-Tenant", "acme"); resp.StatusCode != 428 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	if e := r.only(); e.Actor.TenantID != "acme" || e.User.Email != "anna@example.com" {
		t.Errorf("recorded %s", e.Line())
	}
}
