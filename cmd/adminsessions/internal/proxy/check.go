package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/proofconfig"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// Route is what a configuration does with a request.
type Route struct {
	Method  string   `json:"method"`
	URL     string   `json:"url"`
	To      string   `json:"to"` // the panel, the page or nobody
	SignIn  bool     `json:"sign_in,omitempty"`
	Rules   []string `json:"rules"`
	Outcome string   `json:"outcome"` // in words
}

// Try says what would be done with a request, "POST https://panel.example/x" or
// "/x", before it is handled: what depends on its answer, or on who sends it,
// may still go one way or the other.
func (s *Setup) Try(method, target string) (Route, error) {
	if method == "" || strings.ToUpper(method) != method {
		return Route{}, fmt.Errorf("method %q: want one in capital letters, such as GET", method)
	}
	u, err := url.Parse(target)
	if err != nil {
		return Route{}, err
	}
	if !strings.HasPrefix(u.Path, "/") {
		return Route{}, fmt.Errorf("%q: want a URL, or a path that begins with a slash", target)
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}}
	route := Route{Method: method, URL: target, To: "nobody: 421"}
	g := generation{Setup: s}
	for i := range s.config.Upstreams {
		up, err := newUpstream(&s.config.Upstreams[i], s.config.Timeouts)
		if err != nil {
			return Route{}, err
		}
		g.panels = append(g.panels, up)
	}
	if up := choose(g.panels, r); up != nil {
		route.To = s.config.Upstreams[slices.Index(g.panels, up)].URL
	}
	if s.config.Page != nil {
		g.page = http.NotFoundHandler()
	}
	if g.isPage(r) {
		route.To = "the Admin Sessions page"
	} else {
		route.SignIn = len(s.signIns.Before(r).Rules) > 0
	}
	t := s.policy.Rules.Before(r)
	route.Rules, route.Outcome = t.Rules, InWords(&t)
	return route, nil
}

// Proof says what the configuration proves, and where that is anchored.
func (s *Setup) Proof() (proofconfig.Words, error) { return s.config.Proof.InWords(os.Getenv) }

// InWords says what a policy asks of a request.
func InWords(t *instrumentation.Treatment) string {
	if t.CountOnly {
		return "only counted"
	}
	words := []string{"recorded"}
	if t.Strict {
		words[0] = "recorded before it is handled, or answered with 503"
	}
	if t.RequireReason {
		words = append(words, "answered with 428 unless it says why")
	}
	if len(t.FormFields) > 0 {
		words = append(words, "with the form's "+strings.Join(t.FormFields, ", "))
	}
	if len(t.JSONFields) > 0 {
		words = append(words, "with the body's "+strings.Join(t.JSONFields, ", "))
	}
	if t.BodyHash {
		words = append(words, "with the body's SHA-256")
	}
	return strings.Join(words, "; ")
}

// Change is what a policy would do otherwise with a kind of requests than record
// them with their line.
type Change struct {
	Rules   []string `json:"rules"`
	Outcome string   `json:"outcome"`
	Events  int      `json:"events"`
	Example string   `json:"example"` // of the requests
}

// maxTrailLine bounds a line of an export.
const maxTrailLine = 1 << 20

// TestPolicy reads a trail that was exported as NDJSON (of the page or of
// adminsessions export), and says what the policy would do otherwise.
func TestPolicy(p *instrumentation.Policy, trail io.Reader) (events int, changes []Change, err error) {
	found := map[string]*Change{}
	lines := bufio.NewScanner(trail)
	lines.Buffer(nil, maxTrailLine)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var exported struct {
			Line string `json:"line"`
		}
		if err := json.Unmarshal(line, &exported); err != nil || exported.Line == "" {
			return events, nil, fmt.Errorf("line %d: want an event exported as NDJSON, with the member line", number)
		}
		e, err := adminsessions.ParseLine(exported.Line)
		if err != nil {
			return events, nil, fmt.Errorf("line %d: %w", number, err)
		}
		if e.Method == "" || e.Stage == adminsessions.Started { // no request, or not its last record
			continue
		}
		events += max(1, e.Count)
		t := p.Of(&e)
		if len(t.Rules) == 0 {
			continue
		}
		outcome := InWords(&t)
		key := strings.Join(t.Rules, "\x00") + "\x00" + outcome
		if found[key] == nil {
			found[key] = &Change{Rules: t.Rules, Outcome: outcome, Example: e.Method + " " + e.URL}
		}
		found[key].Events += max(1, e.Count)
	}
	if err := lines.Err(); err != nil {
		return events, nil, fmt.Errorf("line %d: %w", number+1, err)
	}
	for _, c := range found {
		changes = append(changes, *c)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		if a.Events != b.Events {
			return b.Events - a.Events
		}
		return strings.Compare(a.Example, b.Example)
	})
	return events, changes, nil
}
