package attack

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
)

// An attack is made once; what it left in the trail is looked at later.
type attack struct {
	name string

	request        // what is sent, unless send is set
	from    string // the client's address; empty for a stranger nobody has seen
	// send makes the attack in another way than by one request.
	send func(t *testing.T, s *suite, a *attack)

	want want
	// check looks at the lines that the attack left, beyond want.
	check func(t *testing.T, a *attack, lines []line)

	answer *http.Response // of the request
}

// request is one request, written as it stands.
type request struct {
	method  string // default GET
	target  string // default /admin/api/clients?per_page=1
	proto   string // default HTTP/1.1
	host    string // default panelHost; "-" for no Host header
	headers []string
	agent   string // follows the attack's name in the user agent
	as      string // whose token is sent: anna, by default nobody's
	body    string
}

var form = []string{"Content-Type: application/x-www-form-urlencoded"}

// agent is what an attack is recognised by.
func (a *attack) userAgent() string { return "attack/" + a.name + "." }

// bytes is the request on the wire.
func (r request) bytes(s *suite, a *attack) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", or(r.method, "GET"), or(r.target, "/admin/api/clients?per_page=1"), or(r.proto, "HTTP/1.1"))
	if r.host != "-" {
		fmt.Fprintf(&b, "Host: %s\r\n", or(r.host, panelHost))
	}
	fmt.Fprintf(&b, "User-Agent: %s\r\n", a.userAgent()+r.agent)
	switch r.as {
	case "":
	case "browser":
		fmt.Fprintf(&b, "Cookie: %s\r\n", s.session)
	default:
		fmt.Fprintf(&b, "Authorization: Bearer demo-token-%s\r\n", r.as)
	}
	for _, h := range r.headers {
		b.WriteString(h + "\r\n")
	}
	if r.body != "" && !strings.Contains(strings.Join(r.headers, "\n"), "Transfer-Encoding") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	return b.Bytes()
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// run makes the attack.
func (a *attack) run(t *testing.T, s *suite) {
	t.Helper()
	if a.from == "" {
		a.from = s.stranger()
	}
	if a.send != nil {
		a.send(t, s, a)
		return
	}
	answer, err := s.exchange(a, a.from, a.bytes(s, a))
	if err != nil {
		t.Errorf("%s: no answer: %v", a.name, err)
		return
	}
	a.answer = answer
}

// want is what must stand in the trail; what is empty is not looked at, except
// that there must be exactly one line unless lines or none say otherwise.
type want struct {
	none   bool
	lines  int
	answer int // status of the answer, where it is known

	method, sent, email, ip, url, note, action string
	typ                                        adminsessions.Type
	status                                     int
	people                                     []string // parts of what people read
	urlHas                                     []string // parts of the URL
	lacks                                      []string // what the whole line must not hold
}

// line is one line of the trail.
type line struct {
	text  string
	event adminsessions.Event
}

func (l line) people() string {
	people, _, _ := strings.Cut(l.text, "\t")
	return people
}

// judge compares what an attack left in the trail with what it must have left.
func (a *attack) judge(t *testing.T, lines []line) {
	w := a.want
	count := or1(w.lines)
	if w.none {
		count = 0
	}
	if w.lines >= 0 && len(lines) != count {
		t.Errorf("%d lines, want %d", len(lines), count)
	}
	if w.answer != 0 && a.answer != nil && a.answer.StatusCode != w.answer {
		t.Errorf("answered %d, want %d", a.answer.StatusCode, w.answer)
	}
	for _, l := range lines {
		e := l.event
		for _, c := range []struct{ field, got, want string }{
			{"method", e.Method, w.method},
			{"sent_method", e.SentMethod, w.sent},
			{"email", e.User.Email, w.email},
			{"ip", e.ClientAddress.String(), w.ip},
			{"url", e.URL, w.url},
			{"note", e.Note, w.note},
			{"action", e.Action, w.action},
			{"type", string(e.Type), string(w.typ)},
		} {
			if c.want != "" && c.got != c.want && (c.want != "-" || c.got != "") {
				t.Errorf("%s = %q, want %q", c.field, c.got, c.want)
			}
		}
		if w.status != 0 && e.StatusCode != w.status {
			t.Errorf("status = %d, want %d", e.StatusCode, w.status)
		}
		for _, part := range w.people {
			if !strings.Contains(l.people(), part) {
				t.Errorf("what people read lacks %q", part)
			}
		}
		for _, part := range w.urlHas {
			if !strings.Contains(e.URL, part) {
				t.Errorf("url = %.300q lacks %q", e.URL, part)
			}
		}
		for _, secret := range w.lacks {
			if strings.Contains(l.text, secret) {
				t.Errorf("the line holds %q", secret)
			}
		}
	}
	if a.check != nil {
		a.check(t, a, lines)
	}
	if t.Failed() {
		for _, l := range lines {
			t.Logf("%.1500s", l.text)
		}
		if a.answer != nil {
			t.Logf("answered %s", a.answer.Status)
		}
	}
}

func or1(n int) int {
	if n == 0 {
		return 1
	}
	return n
}
