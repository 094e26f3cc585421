package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

var june = time.Date(2026, time.June, 15, 12, 0, 0, 0, time.UTC)

// newTestPanel serves a panel whose clock the test moves.
func newTestPanel(t *testing.T) (p *panel, now *time.Time) {
	t.Helper()
	clock := june
	kept, err := openClients("", func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := instrumentation.NewRecorder(instrumentation.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	p, err = newPanel(kept, recorder, config{loki: adminsessions.Loki{URL: "http://127.0.0.1:1"}}, slog.New(slog.DiscardHandler), func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	return p, &clock
}

type ask struct {
	method, path, body string
	header             map[string]string
}

func (p *panel) answer(a ask) *http.Response {
	r := httptest.NewRequest(a.method, "http://panel.example"+a.path, strings.NewReader(a.body))
	if a.method == http.MethodPost && a.header["Content-Type"] == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// signedIn is the header of a browser that anna has signed in with.
func signedIn(t *testing.T, p *panel) map[string]string {
	t.Helper()
	resp := p.answer(ask{method: "POST", path: "/admin/login", body: "email=anna%40example.com&password=demo"})
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 {
		t.Fatalf("sign-in: %s, cookies %v", resp.Status, resp.Cookies())
	}
	cookie := resp.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie %v can be read by scripts or is sent across sites", cookie)
	}
	return map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
}

func TestSignInLeadsBackToTheAskedPageAndNowhereElse(t *testing.T) {
	p, _ := newTestPanel(t)
	resp := p.answer(ask{method: "GET", path: "/admin/clients?search=ö"})
	if got, want := resp.Header.Get("Location"), "/admin/login?next=%2Fadmin%2Fclients%3Fsearch%3D%C3%B6"; got != want {
		t.Errorf("sent to %s, want %s", got, want)
	}
	for next, want := range map[string]string{
		"/admin/clients?search=%C3%B6": "/admin/clients?search=%C3%B6",
		"":                             "/admin/",
		"/elsewhere":                   "/admin/",
		"https://evil.example/admin/":  "/admin/",
		"//evil.example/admin/":        "/admin/",
		`/admin/\evil.example`:         "/admin/",
		"javascript:alert(1)":          "/admin/",
	} {
		resp := p.answer(ask{method: "POST", path: "/admin/login", body: url.Values{
			"email": {"rory@example.com"}, "password": {"demo"}, "next": {next},
		}.Encode()})
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
}

func TestWhoMayComeIn(t *testing.T) {
	p, now := newTestPanel(t)
	cookie := signedIn(t, p)
	basic := func(email, password string) map[string]string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(email, password)
		return map[string]string{"Authorization": r.Header.Get("Authorization")}
	}
	for _, c := range []struct {
		name string
		ask
		want int
	}{
		{"page, nobody", ask{"GET", "/admin/", "", nil}, 303},
		{"page, cookie", ask{"GET", "/admin/", "", cookie}, 200},
		{"page, wrong cookie", ask{"GET", "/admin/", "", map[string]string{"Cookie": sessionCookie + "=x"}}, 303},
		{"page, password", ask{"GET", "/admin/", "", basic("anna@example.com", "demo")}, 303},
		{"API, nobody", ask{"GET", "/admin/api/clients", "", nil}, 401},
		{"API, password", ask{"GET", "/admin/api/clients", "", basic("anna@example.com", "demo")}, 200},
		{"API, wrong password", ask{"GET", "/admin/api/clients", "", basic("anna@example.com", "Demo")}, 401},
		{"API, wrong e-mail", ask{"GET", "/admin/api/clients", "", basic("anne@example.com", "demo")}, 401},
		{"API, token", ask{"GET", "/admin/api/clients", "", map[string]string{"Authorization": "Bearer demo-token-rory"}}, 200},
		{"API, wrong token", ask{"GET", "/admin/api/clients", "", map[string]string{"Authorization": "Bearer demo-token-rori"}}, 401},
		{"wrong password does not fall back to the cookie", ask{"GET", "/admin/api/clients", "", map[string]string{
			"Cookie": cookie["Cookie"], "Authorization": basic("anna@example.com", "no")["Authorization"],
		}}, 401},
	} {
		if got := p.answer(c.ask).StatusCode; got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}

	*now = now.Add(sessionIdle + time.Second)
	if got := p.answer(ask{"GET", "/admin/", "", cookie}).StatusCode; got != 303 {
		t.Errorf("a session of yesterday: %d, want 303", got)
	}
	again := signedIn(t, p)
	p.answer(ask{"POST", "/admin/logout", "", again})
	if got := p.answer(ask{"GET", "/admin/", "", again}).StatusCode; got != 303 {
		t.Errorf("after signing out: %d, want 303", got)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	p, _ := newTestPanel(t)
	header := signedIn(t, p)
	header["Sec-Fetch-Site"] = "cross-site"
	header["Origin"] = "https://evil.example"
	resp := p.answer(ask{"POST", "/admin/clients/7700/delete", "", header})
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", resp.StatusCode)
	}
	if _, err := p.clients.get(7700); err != nil {
		t.Errorf("the client is gone: %v", err)
	}
}

func TestErrorsAreInThePanelsOwnWords(t *testing.T) {
	p, _ := newTestPanel(t)
	cookie := signedIn(t, p)
	token := map[string]string{"Authorization": "Bearer demo-token-anna"}
	for _, c := range []struct {
		ask
		status int
		allow  string
		kind   string
		says   string
	}{
		{ask{"GET", "/admin/nothing", "", cookie}, 404, "", "text/html", "There is nothing at this address"},
		{ask{"GET", "/nothing", "", nil}, 404, "", "text/html", "There is nothing at this address"},
		{ask{"GET", "/admin/clients/1", "", cookie}, 404, "", "text/html", "404"},
		{ask{"GET", "/admin/clients/one", "", cookie}, 404, "", "text/html", "404"},
		{ask{"DELETE", "/admin/clients", "", cookie}, 405, "GET, HEAD, POST", "text/html", "cannot be asked in this way"},
		{ask{"GET", "/admin/api/nothing", "", token}, 404, "", "application/json", `"status":404`},
		{ask{"GET", "/admin/api/clients/1", "", token}, 404, "", "application/json", `"status":404`},
		{ask{"PATCH", "/admin/api/clients/7700", "", token}, 405, "DELETE, GET, HEAD, PUT", "application/json", `"status":405`},
		{ask{"POST", "/admin/api/clients", "{", token}, 400, "", "application/json", "not a client in JSON"},
		{ask{"POST", "/admin/api/clients", `{"admin":true}`, token}, 400, "", "application/json", "unknown field"},
		{ask{"POST", "/admin/api/clients", `{"email":"a@example.com"}`, token}, 422, "", "application/json", `"name":"is required"`},
		{ask{"POST", "/admin/api/clients", `{"notes":"` + strings.Repeat("x", maxBody) + `"}`, token}, 413, "", "application/json", "64 KiB"},
		{ask{"POST", "/admin/clients", "name=A&email=no&country=PL&plan=Web+S", cookie}, 422, "", "text/html", "is not an e-mail address"},
	} {
		resp := p.answer(c.ask)
		body := text(t, resp)
		if resp.StatusCode != c.status || resp.Header.Get("Allow") != c.allow ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), c.kind) || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d, Allow %q, %s\n%s", c.method, c.path, resp.StatusCode, resp.Header.Get("Allow"), resp.Header.Get("Content-Type"), body)
		}
	}
}

func TestAPIKeepsClients(t *testing.T) {
	p, _ := newTestPanel(t)
	token := map[string]string{"Authorization": "Bearer demo-token-anna"}
	decode := func(resp *http.Response, into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text(t, resp)), into); err != nil {
			t.Fatal(err)
		}
	}
	var made client
	resp := p.answer(ask{"POST", "/admin/api/clients", `{"name":" Ada ","email":"ada@example.net","country":"ie","plan":"Cloud S"}`, token})
	decode(resp, &made)
	path := fmt.Sprint("/admin/api/clients/", made.ID)
	if resp.StatusCode != http.StatusCreated || resp.Header.Get("Location") != path ||
		made.Name != "Ada" || made.Country != "IE" || made.MonthlyCents != 2900 || made.Status != active {
		t.Fatalf("created: %s, %+v", resp.Status, made)
	}
	var changed client
	decode(p.answer(ask{"PUT", path, `{"name":"Ada","email":"ada@example.net","country":"IE","plan":"Cloud M","status":"suspended"}`, token}), &changed)
	if changed.Plan != "Cloud M" || changed.Status != suspended || !changed.CreatedAt.Equal(made.CreatedAt) {
		t.Errorf("changed: %+v", changed)
	}
	var list clientList
	decode(p.answer(ask{"GET", "/admin/api/clients?search=ADA@&status=suspended", "", token}), &list)
	if list.Total != 1 || len(list.Data) != 1 || list.Data[0].ID != made.ID {
		t.Errorf("found: %+v", list)
	}
	if got := p.answer(ask{"DELETE", path, "", token}).StatusCode; got != http.StatusNoContent {
		t.Errorf("delete: %d", got)
	}
	if got := p.answer(ask{"GET", path, "", token}).StatusCode; got != http.StatusNotFound {
		t.Errorf("get after delete: %d", got)
	}
}

func TestTokensAreShownOnceAndEndWhenRevoked(t *testing.T) {
	p, _ := newTestPanel(t)
	cookie := signedIn(t, p)
	page := text(t, p.answer(ask{"POST", "/admin/settings/tokens", "label=Export", cookie}))
	_, rest, _ := strings.Cut(page, "it is not shown again:<br><code>")
	secret, _, found := strings.Cut(rest, "</code>")
	if !found {
		t.Fatalf("no token in the page:\n%s", page)
	}
	if strings.Contains(text(t, p.answer(ask{"GET", "/admin/settings", "", cookie})), secret) {
		t.Error("the token is shown again")
	}
	with := map[string]string{"Authorization": "Bearer " + secret}
	if got := p.answer(ask{"GET", "/admin/api/clients", "", with}).StatusCode; got != 200 {
		t.Errorf("with the token: %d", got)
	}
	id := p.tokens.of(p.accounts.byEmail["anna@example.com"])[0].ID
	p.answer(ask{"POST", "/admin/settings/tokens/" + id + "/revoke", "", cookie})
	if got := p.answer(ask{"GET", "/admin/api/clients", "", with}).StatusCode; got != 401 {
		t.Errorf("with the revoked token: %d", got)
	}
}

// Every route of the list is answered, and each page is whole.
func TestEveryListedRouteAnswers(t *testing.T) {
	p, _ := newTestPanel(t)
	cookie := signedIn(t, p)
	for _, one := range p.routeList {
		if one.pattern == adminSessionsAPI {
			continue // asks Loki
		}
		path := strings.NewReplacer("{", "", "}", "").Replace(one.pattern)
		resp := p.answer(ask{one.method, path, "", cookie})
		if resp.StatusCode >= 400 {
			t.Errorf("%s %s: %d", one.method, path, resp.StatusCode)
		}
		if body := text(t, resp); !one.api && resp.StatusCode == 200 && !strings.HasSuffix(strings.TrimSpace(body), "</html>") {
			t.Errorf("%s %s: half a page", one.method, path)
		}
	}
}

func TestPagesShowWhatPeopleTypeAsText(t *testing.T) {
	p, _ := newTestPanel(t)
	cookie := signedIn(t, p)
	made, err := p.clients.create(client{Name: `<script>alert("x")</script>`, Email: "x@example.net", Country: "PL", Plan: "Web S", Status: active})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/admin/", "/admin/clients", fmt.Sprint("/admin/clients/", made.ID), fmt.Sprint("/admin/clients/", made.ID, "/edit")} {
		if strings.Contains(text(t, p.answer(ask{"GET", path, "", cookie})), "<script>alert") {
			t.Errorf("%s runs a client's name", path)
		}
	}
}

func TestClientsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "clients.json")
	now := func() time.Time { return june }
	open := func() *clients {
		t.Helper()
		c, err := openClients(path, now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	made, err := c.create(client{Name: "Ada", Country: "IE"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.delete(firstClient); err != nil {
		t.Fatal(err)
	}
	c = open()
	if got, err := c.get(made.ID); err != nil || got != made {
		t.Errorf("got %+v, %v; want %+v", got, err, made)
	}
	if _, err := c.get(firstClient); err == nil {
		t.Error("a deleted client is back")
	}

	// A number is never given twice: the trail speaks of clients by number.
	if _, err := c.delete(made.ID); err != nil {
		t.Fatal(err)
	}
	next, err := open().create(client{Name: "Grace"})
	if err != nil {
		t.Fatal(err)
	}
	if next.ID != made.ID+1 {
		t.Errorf("after %d was deleted the next number is %d", made.ID, next.ID)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	env := map[string]string{envTraffic: "yes", envWaitFor: "grafana=nowhere"}
	_, err := readConfig(func(name string) string { return env[name] })
	for _, want := range []string{envTraffic, `"yes"; want on or off`, envWaitFor, "name=http://host:port/path"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	c, err := readConfig(func(string) string { return "" })
	if err != nil || c.listen != "127.0.0.1:8080" || !c.traffic || len(c.waitFor) != 1 || c.waitFor[0].url != "http://127.0.0.1:3100/ready" {
		t.Errorf("defaults: %+v, %v", c, err)
	}
}

// The traffic makes only requests that the panel knows what to say to.
func TestTrafficIsPlausible(t *testing.T) {
	p, _ := newTestPanel(t)
	statuses := make(map[int]int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		statuses[rec.Code]++
		if r.Header.Get("X-Forwarded-For") == "" {
			t.Error("a request does not say whom it is for")
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = rec.Body.WriteTo(w)
	}))
	defer server.Close()
	traffic := newTraffic(server.URL, p.routeList, slog.New(slog.DiscardHandler))
	for range 600 {
		if err := traffic.visit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for status := range statuses {
		if status >= 500 || status == http.StatusForbidden || status == http.StatusMethodNotAllowed {
			t.Errorf("status %d: %d times", status, statuses[status])
		}
	}
	for _, status := range []int{200, 201, 204, 303, 401, 404} {
		if statuses[status] == 0 {
			t.Errorf("no answer %d among %v", status, statuses)
		}
	}
	if all, _ := p.clients.find(query{PerPage: 1000}); len(all) < 132 || len(all) > 140 {
		t.Errorf("%d clients after the traffic, want the 132 made up and a few more", len(all))
	}
}
