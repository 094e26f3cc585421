package proxy

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const adminerConfig = `
service: {name: adminer}
who:
  - lookup: {url: /api/me, authorization: true, timeout: 10s, fields: {id: user.id, name: user.name, email: user.mail}}
  - basic: {}
session: {cookies: [adminer_sid]}
policy:
  rules:
    - {name: statements, methods: [POST], form_fields: [query], body_sha256: true, strict: true}
`

var token = regexp.MustCompile(`name='token' value='([^']+)'`)

// Somebody deletes a row in Adminer, which knows nothing of the trail: who it
// was, and the statement, are on record before it is done, also while Loki is
// away and though the proxy is killed.
func TestAdminerIsRecordedCompletely(t *testing.T) {
	loki := lokitest.Start(t)
	dir := t.TempDir()
	database := filepath.Join(dir, "panel.db")
	if out, err := exec.Command("php", "-r", `$d = new SQLite3($argv[1]); $d->exec("create table clients(id integer primary key, name text)"); $d->exec("insert into clients values(7731, 'Acme')");`, database).CombinedOutput(); err != nil {
		t.Fatalf("PHP with SQLite is Debian's php-cli and php-sqlite3: %v\n%s", err, out)
	}
	address := freeport.Address(t)
	start(t, "Adminer", "http://"+address, func() *exec.Cmd {
		return exec.Command("php", "-S", address, filepath.Join(root, "e2e/proxy/testdata/adminer/index.php"))
	})
	p := startProxy(t, loki, "http://"+address, adminerConfig)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	send := func(method, path string, form url.Values) (page, id string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("anna", "secret")
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), resp.Header.Get("X-Request-Id")
	}
	send("POST", "/", url.Values{"auth[driver]": {"sqlite"}, "auth[server]": {""}, "auth[username]": {""}, "auth[password]": {""}, "auth[db]": {database}})
	command := "/?sqlite=&username=&db=" + url.QueryEscape(database) + "&sql="
	page, _ := send("GET", command, nil)
	found := token.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("Adminer shows no form:\n%.2000s", page)
	}
	execute := func(statement string) (page, id string) {
		t.Helper()
		return send("POST", command, url.Values{"query": {statement}, "token": {html.UnescapeString(found[1])}, "limit": {""}})
	}
	loki.Kill()
	page, deleted := execute("DELETE FROM clients WHERE id = 7731")
	if !strings.Contains(page, "Query executed OK, 1 row affected") {
		t.Fatalf("the row was not deleted:\n%.3000s", page)
	}
	p.kill()
	p.start()
	_, selected := execute("SELECT * FROM clients")
	loki.Restart()

	// Somebody else does not know the password.
	resp, err := http.Get(p.url + "/")
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatal(err, resp)
	}
	_ = resp.Body.Close()

	ids := map[string]bool{deleted: true, selected: true, resp.Header.Get("X-Request-Id"): true}
	events := recorded(t, loki, "adminer", func(events []adminsessions.Event) error {
		if n, example := missing(events, ids); n > 0 {
			return fmt.Errorf("%d requests are on no record, %s among them", n, example)
		}
		return nil
	})
	e, err := someEvent(events, func(e *adminsessions.Event) bool { return e.RequestID == deleted && e.Stage == adminsessions.Complete })
	if err != nil {
		t.Fatal(err)
	}
	attrs := map[string]string{}
	for _, kv := range e.Attributes {
		attrs[string(kv.Key)] = kv.Value.String()
	}
	want := adminsessions.User{ID: "u-7", FullName: "Anna Kowalska", Email: "anna@example.com"}
	if e.User != want || attrs["admin.form.query"] != "DELETE FROM clients WHERE id = 7731" || len(attrs["admin.body.sha256"]) != 64 {
		t.Errorf("recorded %s", e.Line())
	}
	if _, err := someEvent(events, func(e *adminsessions.Event) bool {
		return e.RequestID == deleted && e.Stage == adminsessions.Started && e.User == want
	}); err != nil {
		t.Error("the statement was not on record before it was carried out")
	}
	for _, e := range events {
		if strings.Contains(e.Line(), "secret") || strings.Contains(e.Line(), "YW5uYTpzZWNyZXQ") {
			t.Errorf("a password is on record: %s", e.Line())
		}
	}
}
