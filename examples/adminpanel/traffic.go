package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"
)

// traffic is what keeps the demo from being empty: a few administrators at
// work, from several addresses, and now and then somebody who should not be
// there. It asks the panel over HTTP, as anybody would, and says in
// X-Forwarded-For for whom.
type traffic struct {
	base    string
	routes  []route
	logger  *slog.Logger
	random  *rand.Rand
	admins  []*visitor
	service *visitor // a program with a token of its own
	agent   *visitor // one that decides by itself
	created []int    // clients it made, and may change and delete
}

// A visitor is a person at a browser, and the programs that act for them.
type visitor struct {
	email     string
	addresses []string
	browser   string
	program   string
	token     string // of the program
	weight    int
	client    *http.Client
	signedIn  bool
}

const (
	chrome  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
	safari  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15"
)

// meanPause is the mean time between two requests.
const meanPause = 1200 * time.Millisecond

func newTraffic(base string, routes []route, logger *slog.Logger) *traffic {
	t := &traffic{
		base: base, routes: routes, logger: logger,
		random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		admins: []*visitor{
			{email: "anna@example.com", addresses: []string{"10.2.3.4", "10.2.3.4", "89.64.12.201"}, browser: firefox, program: "curl/8.14.1", weight: 5},
			{email: "rory@example.com", addresses: []string{"10.2.7.19", "2001:db8:40::7"}, browser: safari, program: "billing-export/2.3", weight: 3},
			{email: "demo-admin@example.com", addresses: []string{"192.0.2.17"}, browser: chrome, program: "terraform-provider-panel/0.9", weight: 2},
		},
	}
	t.service = &visitor{email: "rory@example.com", addresses: []string{"198.51.100.40"}, program: "billing-export/2.3", token: demoToken("billing")}
	t.agent = &visitor{email: "anna@example.com", addresses: []string{"198.51.100.41"}, program: "panel-assistant/1.0", token: demoToken("assistant")}
	for _, v := range append(slices.Clone(t.admins), t.service, t.agent) {
		if v.token == "" {
			v.token = demoToken(v.email)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			panic(err) // it never fails without options
		}
		v.client = &http.Client{
			Jar: jar, Timeout: 10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return t
}

// run makes requests until ctx ends.
func (t *traffic) run(ctx context.Context) {
	defer func() {
		for _, v := range t.admins {
			v.client.CloseIdleConnections()
		}
	}()
	timer := time.NewTimer(meanPause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := t.visit(ctx); err != nil && ctx.Err() == nil {
			t.logger.Warn("background traffic: request failed", "error", err)
		}
		timer.Reset(min(time.Duration(t.random.ExpFloat64()*float64(meanPause)), 6*time.Second))
	}
}

// visit does one of the things people do.
func (t *traffic) visit(ctx context.Context) error {
	v := t.someone()
	switch n := t.random.IntN(100); {
	case n < 3:
		return t.intrude(ctx)
	case n < 5:
		return t.browse(ctx, v, "/admin/clients/"+fmt.Sprint(t.random.IntN(900))) // long gone
	case n < 6:
		return t.team(ctx, t.admins[2])
	case n < 7:
		return t.api(ctx, t.service, http.MethodGet, "/admin/api/clients?status=active", nil)
	case n < 8:
		return t.api(ctx, t.agent, http.MethodPost, fmt.Sprint("/admin/api/assistant/show_client/run?client=", firstClient+t.random.IntN(132)), nil)
	case n < 9:
		return t.suspend(ctx, v)
	case n < 10:
		v.signedIn = false
		return t.send(ctx, v, call{agent: v.browser, method: http.MethodPost, path: "/admin/logout"})
	case n < 12:
		v.signedIn = false
		return t.signIn(ctx, v)
	case n < 16:
		return t.browse(ctx, v, "/admin/")
	case n < 22:
		return t.browse(ctx, v, "/admin/clients?"+url.Values{"search": {pick(t, "fischer", "kraków", "@example.net", "ö")}}.Encode())
	case n < 32:
		return t.browse(ctx, v, fmt.Sprint("/admin/clients/", firstClient+t.random.IntN(132)))
	case n < 36:
		return t.browse(ctx, v, "/admin/settings")
	case n < 46:
		return t.api(ctx, v, http.MethodGet, "/admin/api/clients?per_page=50", nil)
	case n < 60:
		return t.changeClient(ctx, v)
	default:
		return t.otherRoute(ctx, v)
	}
}

func (t *traffic) someone() *visitor {
	at := t.random.IntN(10)
	for _, v := range t.admins {
		if at -= v.weight; at < 0 {
			return v
		}
	}
	return t.admins[0]
}

// intrude tries a password, as strangers and forgetful people do.
func (t *traffic) intrude(ctx context.Context) error {
	form := url.Values{"email": {pick(t, "admin@example.com", "root", "anna@example.com", "test@example.com")}, "password": {"letmein"}}
	stranger := &visitor{addresses: []string{"203.0.113.66", "198.51.100.23"}, browser: "python-requests/2.32.5", client: &http.Client{Timeout: 10 * time.Second}}
	defer stranger.client.CloseIdleConnections()
	return t.send(ctx, stranger, call{agent: stranger.browser, method: http.MethodPost, path: "/admin/login", form: form})
}

// changeClient makes, changes or deletes a client of the traffic's own making,
// by the API.
func (t *traffic) changeClient(ctx context.Context, v *visitor) error {
	body := map[string]string{
		"name": pick(t, "Test Kunde", "Sample Client", "Klient Testowy"), "email": "traffic@example.net",
		"country": pick(t, "PL", "DE", "IE"), "plan": pick(t, "Web S", "Web M", "Cloud S"), "status": pick(t, "active", "active", "suspended"),
	}
	switch n := t.random.IntN(10); {
	case len(t.created) < 2 || n < 3 && len(t.created) < 8:
		if n == 0 {
			body["country"] = "Poland" // refused: 422
		}
		return t.send(ctx, v, call{agent: v.program, method: http.MethodPost, path: "/admin/api/clients", json: body, read: t.remember})
	case n < 7:
		return t.api(ctx, v, http.MethodPut, fmt.Sprint("/admin/api/clients/", pick(t, t.created...)), body)
	default:
		id := t.created[0]
		t.created = t.created[1:]
		return t.api(ctx, v, http.MethodDelete, fmt.Sprint("/admin/api/clients/", id), nil)
	}
}

// team changes what administrators may do. Now and then it is forgotten to say
// why.
func (t *traffic) team(ctx context.Context, v *visitor) error {
	if err := t.browse(ctx, v, "/admin/admins"); err != nil {
		return err
	}
	id := pick(t, "2", "3")
	c := call{agent: v.browser, method: http.MethodPost, path: "/admin/admins/" + id + "/role/update", form: url.Values{"role": {pick(t, roles...)}}}
	switch t.random.IntN(4) {
	case 0: // without a reason
	case 1:
		c.path, c.form = "/admin/admins/"+id+"/mfa/disable", url.Values{"audit_reason": {"break-glass: phone lost, called back on the number we know"}}
	case 2:
		c.path, c.form = "/admin/admins/"+id+"/mfa/enable", url.Values{}
	default:
		c.form.Set("audit_reason", pick(t, "stands in during holidays", "ticket 4711", "left the team"))
	}
	return t.send(ctx, v, c)
}

// suspend suspends a client that the traffic has made, or takes that back.
func (t *traffic) suspend(ctx context.Context, v *visitor) error {
	if len(t.created) == 0 {
		return t.browse(ctx, v, "/admin/clients")
	}
	if err := t.browse(ctx, v, "/admin/clients"); err != nil {
		return err
	}
	path := fmt.Sprint("/admin/clients/", pick(t, t.created...), pick(t, "/suspend", "/suspend", "/unsuspend"))
	return t.send(ctx, v, call{agent: v.browser, method: http.MethodPost, path: path, reason: pick(t, "", "three invoices overdue", "asked for by the client")})
}

// remember keeps the number of a client just made.
func (t *traffic) remember(answer io.Reader) error {
	var made client
	if err := json.NewDecoder(answer).Decode(&made); err != nil {
		return fmt.Errorf("read the client made: %w", err)
	}
	t.created = append(t.created, made.ID)
	return nil
}

// otherRoute asks for any of the panel's routes, seldom for one that changes
// something.
func (t *traffic) otherRoute(ctx context.Context, v *visitor) error {
	one := pick(t, t.routes...)
	if one.method != http.MethodGet && t.random.IntN(3) > 0 || strings.HasPrefix(one.pattern, adminSessionsAPI) {
		one = route{method: http.MethodGet, pattern: "/admin/services"}
	}
	var path strings.Builder
	for segment := range strings.SplitSeq(strings.TrimPrefix(one.pattern, "/"), "/") {
		path.WriteByte('/')
		switch {
		case segment == "{tab}":
			path.WriteString(pick(t, "summary", "services", "invoices"))
		case !strings.HasPrefix(segment, "{"):
			path.WriteString(segment)
		case t.random.IntN(25) == 0:
			path.WriteString(unknownID)
		default:
			fmt.Fprintf(&path, "%08x-%04x", t.random.Uint32N(1<<10)*4099, t.random.Uint32N(1<<16))
		}
	}
	if one.api {
		return t.api(ctx, v, one.method, path.String(), nil)
	}
	return t.browse(ctx, v, path.String())
}

func (t *traffic) signIn(ctx context.Context, v *visitor) error {
	v.signedIn = true
	return t.send(ctx, v, call{
		agent: v.browser, method: http.MethodPost, path: "/admin/login",
		form: url.Values{"email": {v.email}, "password": {demoPassword}},
	})
}

// browse asks for a page.
func (t *traffic) browse(ctx context.Context, v *visitor, path string) error {
	if !v.signedIn {
		if err := t.signIn(ctx, v); err != nil {
			return err
		}
	}
	return t.send(ctx, v, call{agent: v.browser, method: http.MethodGet, path: path})
}

func (t *traffic) api(ctx context.Context, v *visitor, method, path string, body any) error {
	return t.send(ctx, v, call{agent: v.program, method: method, path: path, json: body})
}

// A call is one request.
type call struct {
	agent, method, path string
	reason              string
	form                url.Values            // sent as a form
	json                any                   // or as JSON
	read                func(io.Reader) error // of a success
}

func (t *traffic) send(ctx context.Context, v *visitor, c call) error {
	content, kind := "", ""
	switch {
	case c.form != nil:
		content, kind = c.form.Encode(), "application/x-www-form-urlencoded"
	case c.json != nil:
		encoded, err := json.Marshal(c.json)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", c.method, c.path, err)
		}
		content, kind = string(encoded), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, c.method, t.base+c.path, strings.NewReader(content))
	if err != nil {
		return err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("X-Forwarded-For", pick(t, v.addresses...))
	if c.reason != "" {
		req.Header.Set("X-Audit-Reason", c.reason)
	}
	if c.agent == v.program {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if c.read != nil && resp.StatusCode < 300 {
		return c.read(resp.Body)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// pick returns one of several.
func pick[T any](t *traffic, from ...T) T { return from[t.random.IntN(len(from))] }
