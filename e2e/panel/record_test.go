package panel_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// trail selects everything the panel records.
const trail = `{service_name="adminpanel"}`

// requests selects what administrators have done, without the trail's own events.
const requests = trail + ` | pattern "type=<type> <_>" | type!="TRAIL"`

// recorded is what must stand in Loki for one request.
type recorded struct {
	email, method, url string
	kind               adminsessions.Type
	status             int
	signIn             adminsessions.SignInOutcome
	done               string // "clients.update 7731 Acme", if anything was
	changed            string // "status active → suspended", of what was there before
}

func TestEveryRequestIsRecordedOnceInOrder(t *testing.T) {
	loki := lokitest.Start(t)
	p := startPanel(t, loki)
	s := &script{t: t, panel: p}

	for _, email := range []string{"demo-admin@example.com", "anna@example.com", "rory@example.com"} {
		s.workOnPages(email)
		s.workOnAPI(email, http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(email+":demo"))}})
	}
	s.workOnAPI("anna@example.com", http.Header{"Authorization": {"Bearer demo-token-anna"}})
	s.strangers()

	entries := loki.Await(t.Context(), requests, lokitest.Last(time.Hour), len(s.want))
	if len(entries) != len(s.want) {
		t.Errorf("%d entries for %d requests", len(entries), len(s.want))
	}
	last := uint64(0)
	for i, e := range entries[:min(len(entries), len(s.want))] {
		event := eventOf(t, e)
		got := recorded{
			email: event.User.Email, kind: event.Type, method: event.Method,
			url: event.URL, status: event.StatusCode,
			signIn: event.SignIn.Outcome,
		}
		if event.Resource.Name != "" {
			got.done = event.Action + " " + event.Resource.ID + " " + event.Resource.Name
		}
		for _, c := range event.Changes {
			if c.Old != "" && c.New != "" {
				got.changed += c.Field + " " + c.Old + " → " + c.New
			}
		}
		if got != s.want[i] {
			t.Errorf("entry %d:\n got  %+v\n want %+v", i, got, s.want[i])
		}
		if event.ClientAddress.String() != "127.0.0.1" {
			t.Errorf("entry %d: ip = %s, want 127.0.0.1", i, event.ClientAddress)
		}
		if event.Sequence <= last { // there are events of the trail's own between
			t.Errorf("entry %d: seq = %d behind %d", i, event.Sequence, last)
		}
		last = event.Sequence
	}
}

// script makes requests one after the other and notes what must be recorded.
type script struct {
	t     *testing.T
	panel *panel
	want  []recorded
}

// do makes a request that must be answered with status.
func (s *script) do(client *http.Client, header http.Header, want recorded, path, body string, status int) []byte {
	s.t.Helper()
	want.url, want.status = s.panel.url+path, status
	got, answer, err := send(s.t.Context(), client, want.method, want.url, header, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if got != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", want.method, path, got, status, answer)
	}
	s.want = append(s.want, want)
	return answer
}

var postedForm = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

// workOnPages is an administrator at a browser.
func (s *script) workOnPages(email string) {
	s.t.Helper()
	client := browser(s.t)
	web := func(method string) recorded { return recorded{email: email, kind: adminsessions.Web, method: method} }
	acted := func(done, changed string) recorded {
		r := web("POST")
		r.done, r.changed = done, changed
		return r
	}
	signedIn := web("POST")
	signedIn.signIn = adminsessions.SignInSuccess

	s.do(client, nil, recorded{kind: adminsessions.Web, method: "GET"}, "/admin/clients", "", http.StatusSeeOther)
	s.do(client, nil, recorded{kind: adminsessions.Web, method: "GET"}, "/admin/login?next=%2Fadmin%2Fclients", "", http.StatusOK)
	s.do(client, postedForm, signedIn, "/admin/login", form("email", email, "password", "demo"), http.StatusSeeOther)
	s.do(client, nil, web("GET"), "/admin/", "", http.StatusOK)
	s.do(client, nil, web("GET"), "/admin/clients?search=fischer", "", http.StatusOK)

	id := s.nextClient(email)
	page := fmt.Sprint("/admin/clients/", id)
	s.do(client, postedForm, acted(fmt.Sprintf("clients.create %d Zażółć Gęślą", id), ""), "/admin/clients",
		form("name", "Zażółć Gęślą", "email", "z@example.net", "country", "PL", "plan", "Web S"), http.StatusSeeOther)
	s.do(client, nil, web("GET"), page, "", http.StatusOK)
	s.do(client, postedForm, acted(fmt.Sprintf("clients.update %d Zażółć Gęślą", id), "status active → suspended"), page,
		form("name", "Zażółć Gęślą", "email", "z@example.net", "country", "PL", "plan", "Web S", "status", "suspended"), http.StatusSeeOther)
	s.do(client, postedForm, web("POST"), page, form("name", "", "email", "z"), http.StatusUnprocessableEntity)
	s.do(client, nil, acted(fmt.Sprintf("clients.delete %d Zażółć Gęślą", id), ""), page+"/delete", "", http.StatusSeeOther)
	s.do(client, nil, web("GET"), page, "", http.StatusNotFound)
	s.do(client, nil, web("GET"), "/admin/nowhere", "", http.StatusNotFound)
	s.do(client, nil, web("DELETE"), "/admin/clients", "", http.StatusMethodNotAllowed)
	s.do(client, nil, web("POST"), "/admin/logout", "", http.StatusSeeOther)
	s.do(client, nil, recorded{kind: adminsessions.Web, method: "GET"}, "/admin/settings", "", http.StatusSeeOther)
}

// nextClient is the number that the next client will get.
func (s *script) nextClient(email string) int {
	s.t.Helper()
	header := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(email+":demo"))}}
	return s.createByAPI(email, header) + 1
}

func (s *script) createByAPI(email string, header http.Header) int {
	s.t.Helper()
	answer := s.do(http.DefaultClient, header, recorded{email: email, kind: adminsessions.API, method: "POST"}, "/admin/api/clients",
		`{"name":"Ada \"Quote\" O'Hara","email":"ada@example.net","country":"IE","plan":"Cloud S"}`, http.StatusCreated)
	var made struct{ ID int }
	if err := json.Unmarshal(answer, &made); err != nil {
		s.t.Fatal(err)
	}
	s.want[len(s.want)-1].done = fmt.Sprintf(`clients.create %d Ada "Quote" O'Hara`, made.ID)
	return made.ID
}

// workOnAPI is an administrator's program.
func (s *script) workOnAPI(email string, header http.Header) {
	s.t.Helper()
	api := func(method string) recorded { return recorded{email: email, kind: adminsessions.API, method: method} }
	acted := func(method, done, changed string) recorded {
		r := api(method)
		r.done, r.changed = done, changed
		return r
	}
	s.do(http.DefaultClient, header, api("GET"), "/admin/api/clients?status=active&per_page=5", "", http.StatusOK)
	id := s.createByAPI(email, header)
	one := fmt.Sprint("/admin/api/clients/", id)
	s.do(http.DefaultClient, header, api("GET"), one, "", http.StatusOK)
	s.do(http.DefaultClient, header, acted("PUT", fmt.Sprintf(`clients.update %d Ada "Quote" O'Hara`, id), "monthly_cents 2900 → 5900plan Cloud S → Cloud M"), one,
		`{"name":"Ada \"Quote\" O'Hara","email":"ada@example.net","country":"IE","plan":"Cloud M"}`, http.StatusOK)
	s.do(http.DefaultClient, header, api("PUT"), one, `{"name":"Ada","country":"Ireland"}`, http.StatusUnprocessableEntity)
	s.do(http.DefaultClient, header, acted("DELETE", fmt.Sprintf(`clients.delete %d Ada "Quote" O'Hara`, id), ""), one, "", http.StatusNoContent)
	s.do(http.DefaultClient, header, api("DELETE"), one, "", http.StatusNotFound)
	s.do(http.DefaultClient, header, api("PATCH"), one, "", http.StatusMethodNotAllowed)
	s.do(http.DefaultClient, header, api("GET"), "/admin/api/nothing", "", http.StatusNotFound)
}

// strangers are those who are not let in.
func (s *script) strangers() {
	s.t.Helper()
	failed := func(kind adminsessions.Type, method string) recorded {
		return recorded{kind: kind, method: method, signIn: adminsessions.SignInFailure}
	}
	s.do(browser(s.t), postedForm, failed(adminsessions.Web, "POST"), "/admin/login", form("email", "anna@example.com", "password", "wrong"), http.StatusUnauthorized)
	s.do(browser(s.t), postedForm, failed(adminsessions.Web, "POST"), "/admin/login", form("email", "root", "password", "toor"), http.StatusUnauthorized)
	basic := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("rory@example.com:wrong"))}}
	s.do(http.DefaultClient, basic, failed(adminsessions.API, "GET"), "/admin/api/clients", "", http.StatusUnauthorized)
	s.do(http.DefaultClient, http.Header{"Authorization": {"Bearer guessed"}}, failed(adminsessions.API, "DELETE"), "/admin/api/clients/7600", "", http.StatusUnauthorized)
	s.do(http.DefaultClient, nil, recorded{kind: adminsessions.API, method: "GET"}, "/admin/api/clients", "", http.StatusUnauthorized)
}
