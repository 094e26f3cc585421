package loki

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// serve starts a server and returns the client of it.
func serve(t *testing.T, c adminsessions.Loki, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return connect(t, c)
}

func connect(t *testing.T, c adminsessions.Loki) *Client {
	t.Helper()
	client, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestEveryQuestionIdentifiesItself(t *testing.T) {
	password := secretFile(t, "hunter2\n")
	var got *http.Request
	c := serve(t, adminsessions.Loki{
		TenantID: "push", QueryTenantID: "a|b", Username: "anna", PasswordFile: password, Headers: map[string]string{"x-gate": "open"},
	}, func(w http.ResponseWriter, r *http.Request) {
		got = r
		fmt.Fprint(w, `{}`)
	})
	ask := func() {
		t.Helper()
		if err := c.Get(t.Context(), "/loki/api/v1/labels", url.Values{"a": {"b c"}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	if got.URL.Path != "/loki/api/v1/labels" || got.URL.Query().Get("a") != "b c" {
		t.Errorf("asked %s", got.URL)
	}
	for name, want := range map[string]string{
		"X-Scope-OrgID": "a|b", "X-Gate": "open", "User-Agent": userAgent,
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:hunter2")),
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	// A password that is replaced is used from the next request on.
	if err := os.WriteFile(password, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask()
	if _, p, _ := got.BasicAuth(); p != "correct horse" {
		t.Errorf("the password is %q", p)
	}
	if err := os.Remove(password); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), "/", nil, nil); err == nil || !strings.Contains(err.Error(), password) {
		t.Errorf("without the password file: %v", err)
	}
}

// A redirect must carry neither tenant nor credentials to another address.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	c := serve(t, adminsessions.Loki{TenantID: "t"}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	err := c.Get(t.Context(), "/loki/api/v1/labels", nil, nil)
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Misconfigured || e.Status != http.StatusTemporaryRedirect {
		t.Errorf("error is %v", err)
	}
	if asked != 0 {
		t.Error("the redirect was followed")
	}
}

func TestProxy(t *testing.T) {
	var got string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.String()
		fmt.Fprint(w, `{"data":["x"]}`)
	}))
	defer proxy.Close()
	c := connect(t, adminsessions.Loki{URL: "http://loki.example/base", ProxyURL: proxy.URL})
	values, err := c.LabelValues(t.Context(), "service_name", `{a="b"}`, time.Unix(1, 0), time.Unix(2, 0))
	if err != nil || len(values) != 1 {
		t.Fatalf("got %v, %v", values, err)
	}
	if !strings.HasPrefix(got, "http://loki.example/base/loki/api/v1/label/service_name/values?") {
		t.Errorf("the proxy was asked for %s", got)
	}
}

func TestCertificatesAreReadAgain(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(block []byte, at time.Time) {
		t.Helper()
		if err := os.WriteFile(ca, block, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(ca, at, at); err != nil {
			t.Fatal(err)
		}
	}
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	write(otherCA(t), time.Unix(1, 0))
	c := connect(t, adminsessions.Loki{URL: server.URL, CAFile: ca})
	if err := c.Get(t.Context(), "/", nil, nil); err == nil {
		t.Fatal("a server with an unknown certificate was believed")
	}
	write(good, time.Unix(2, 0))
	if err := c.Get(t.Context(), "/", nil, nil); err != nil {
		t.Fatalf("with the new CA: %v", err)
	}
	// A file that is broken leaves the old one in force.
	write([]byte("half a file"), time.Unix(3, 0))
	if err := c.Get(t.Context(), "/", nil, nil); err != nil {
		t.Fatalf("with a broken CA file: %v", err)
	}
}

func TestLogs(t *testing.T) {
	var got url.Values
	c := serve(t, adminsessions.Loki{}, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query()
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"streams","result":[
			{"stream":{"service_name":"a"},"values":[["3","three",{"parsed":{"p":"q"}}],["1","one"]]},
			{"stream":{"service_name":"b"},"values":[["2","two",{"structuredMetadata":{"trace_id":"x"}}]]}
		],"stats":{"summary":{"totalLinesProcessed":77}}}}`)
	})
	entries, read, err := c.Logs(t.Context(), LogQuery{Expr: `{a="b"}`, From: 1, To: 9, Limit: 7, Newest: true})
	if err != nil || read != 77 || len(entries) != 3 {
		t.Fatalf("got %v, %d, %v", entries, read, err)
	}
	if entries[0].Line != "three" || entries[1].Line != "two" || entries[2].Line != "one" {
		t.Errorf("order is %v", entries)
	}
	if entries[0].Parsed["p"] != "q" || entries[1].Metadata["trace_id"] != "x" || entries[1].Labels["service_name"] != "b" || !entries[2].Time().Equal(time.Unix(0, 1)) {
		t.Errorf("got %v", entries)
	}
	if got.Get("query") != `{a="b"}` || got.Get("start") != "1" || got.Get("end") != "9" || got.Get("limit") != "7" || got.Get("direction") != "backward" {
		t.Errorf("asked %v", got)
	}
}

func TestAllLogsPages(t *testing.T) {
	const all = 2*MaxEntries + 17
	c := serve(t, adminsessions.Loki{}, func(w http.ResponseWriter, r *http.Request) {
		from := atoi(r.URL.Query().Get("start"))
		fmt.Fprint(w, `{"data":{"resultType":"streams","result":[{"stream":{},"values":[`)
		for i := from; i < min(from+MaxEntries, all); i++ {
			if i > from {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `["%d","x"]`, i)
		}
		fmt.Fprint(w, `]}]}}`)
	})
	entries, err := c.AllLogs(t.Context(), `{}`, 0, all)
	if err != nil || len(entries) != all {
		t.Fatalf("got %d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		if e.Nanos != int64(i) {
			t.Fatalf("entry %d has time %d", i, e.Nanos)
		}
	}
}

func atoi(s string) int {
	var n int
	fmt.Sscan(s, &n) //nolint:errcheck // 0 is as good as any
	return n
}

func TestMetricQueries(t *testing.T) {
	c := serve(t, adminsessions.Loki{}, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/query") {
			fmt.Fprint(w, `{"data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"42.5"]}]}}`)
			return
		}
		fmt.Fprint(w, `{"data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"1"],[2.5,"NaN"]]}]}}`)
	})
	samples, err := c.Instant(t.Context(), "x", time.Now())
	if err != nil || len(samples) != 1 || samples[0].Value != 42.5 || samples[0].Labels["a"] != "b" {
		t.Errorf("got %v, %v", samples, err)
	}
	series, err := c.Range(t.Context(), "x", time.Unix(0, 0), time.Unix(9, 0), time.Second)
	if err != nil || len(series) != 1 || len(series[0].Points) != 2 || series[0].Points[0].Time.UnixMilli() != 1500 {
		t.Errorf("got %v, %v", series, err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		kind   Kind
	}{
		"a page":                    {200, "<html>sign in</html>", Misconfigured},
		"another type":              {200, `{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}`, Misconfigured},
		"no type":                   {200, `{}`, Misconfigured},
		"cut":                       {200, `{"data":{"resultType":"vec`, Unavailable},
		"busy":                      {429, "too many outstanding requests", TooBroad},
		"a limit":                   {400, "maximum of series (500) reached for a single query", TooBroad},
		"series left out":           {200, `{"warnings":["maximum number of series (500) reached for a single query; returning partial results"],"data":{"resultType":"vector","result":[]}}`, TooBroad},
		"a query that has the word": {400, `parse error at line 1, col 5: unexpected IDENTIFIER "limit"`, Misconfigured},
		"credentials":               {401, "no org id", Misconfigured},
		"ill":                       {503, "", Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, adminsessions.Loki{}, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			_, err := c.Instant(t.Context(), "x", time.Now())
			if e, ok := errors.AsType[*Error](err); !ok || e.Kind != tt.kind {
				t.Errorf("error is %v, want kind %s", err, tt.kind)
			}
		})
	}
	c := connect(t, adminsessions.Loki{URL: "http://127.0.0.1:1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e, ok := errors.AsType[*Error](c.Get(ctx, "/", nil, nil)); !ok || e.Kind != Canceled {
		t.Errorf("cancelled: %v", e)
	}
}

func TestLokisClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)
	for name, tt := range map[string]struct {
		date  string
		sent  time.Duration // before now
		want  time.Duration
		known bool
	}{
		"the same second":          {date: "Fri, 02 Jan 2026 03:04:05 GMT", known: true},
		"a slow answer":            {date: "Fri, 02 Jan 2026 03:04:00 GMT", sent: 10 * time.Second, known: true},
		"an hour behind":           {date: "Fri, 02 Jan 2026 02:04:05 GMT", sent: 100 * time.Millisecond, want: -time.Hour + 500*time.Millisecond, known: true},
		"eleven minutes ahead":     {date: "Fri, 02 Jan 2026 03:15:05 GMT", want: 11*time.Minute - 600*time.Millisecond, known: true},
		"thirty days ahead":        {date: "Sun, 01 Feb 2026 03:04:06 GMT", want: 30*24*time.Hour + 400*time.Millisecond, known: true},
		"no date":                  {},
		"a date that can't be one": {date: "tomorrow"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{now: func() time.Time { return now }}
			h := http.Header{}
			if tt.date != "" {
				h.Set("Date", tt.date)
			}
			c.clock.observe(h, now.Add(-tt.sent), now)
			if _, known := c.Now(); known != tt.known {
				t.Errorf("known: %v", known)
			}
			if got := c.Skew(); got != tt.want {
				t.Errorf("skew %v, want %v", got, tt.want)
			}
		})
	}
}

// Setting this machine's clock does not move Loki's.
func TestLokisClockGoesOnByItself(t *testing.T) {
	began := time.Now()
	now := began
	c := &Client{now: func() time.Time { return now }}
	c.clock.observe(http.Header{"Date": {began.UTC().Format(http.TimeFormat)}}, began, began)
	now = began.Add(time.Minute) // the monotonic clock, too
	if got, _ := c.Now(); got.Sub(began).Round(time.Second) != time.Minute {
		t.Errorf("a minute later it is %v later", got.Sub(began))
	}
}
