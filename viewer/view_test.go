package viewer

import (
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// FuzzView reads views from any query: it never fails in another way than by
// telling what is wrong, and what it writes it reads back the same.
func FuzzView(f *testing.F) {
	for _, s := range []string{"", "q=anna&type=api&method=GET&method=POST&status=4xx&hide=me&range=7d&sort=-duration&size=100&auto=1&every=2",
		"from=2026-01-01T10:00&to=2026-01-02", "from=2026-01-01T10:00:00.5%2B02:00", "past=17.ff&at=2026-01-01T00:00:00Z&page=2",
		"back=17.ff&page=3", "sort=time", "sort=x", "sort=--", "type=x", "size=7", "range=1y", "range=custom", "to=x", "page=99999&sort=url",
		"q=%ff%00", "admin=a&ip=1.2.3.4&session=c", "ip=10.1.2.3/8&method=query&status=404&status=5XX&looks=1", "ip=[::1]:80", "action=delete&object=client/7731&outcome=DENIED&outcome=error&tenant=a+b&actor=agent&country=pl&event=abc", "q=admin:anna+-status:404+%22a+b%22", "q=client:7731", "q=%22a", "object=/", "ip=::ffff:1.2.3.4/100", "x=1", "q=1&q=2", "from=2026-03-02&to=2026-03-01"} {
		f.Add(s)
	}
	zone := time.FixedZone("", 3600)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseView(s, zone)
		if err != nil {
			return
		}
		again, err := parseView(v.values().Encode(), time.UTC)
		if err != nil {
			t.Fatalf("%q, written as %q: %v", s, v.values().Encode(), err)
		}
		if !reflect.DeepEqual(v.values(), again.values()) {
			t.Errorf("%q is written as %q and then as %q", s, v.values().Encode(), again.values().Encode())
		}
		if w := v.rng.window(testNow); !w.From.Before(w.To) {
			t.Errorf("%q: window %v", s, w)
		}
	})
}

func TestBadViews(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds()).URL)
	for query, want := range map[string]string{
		"type=cron":                              "a filter that does not exist",
		"method=BREW":                            "a filter that does not exist",
		"status=6xx":                             "a filter that does not exist",
		"status=40":                              "a filter that does not exist",
		"status=4040":                            "a filter that does not exist",
		"status=099":                             "a filter that does not exist",
		"ip=10.0.0":                              "not an IP address",
		"ip=10.0.0.0%2F33":                       "not an IP address",
		"ip=10.0.0.256":                          "not an IP address",
		"ip=010.0.0.1":                           "not an IP address",
		"ip=panel.example":                       "not an IP address",
		"ip=%5B::1":                              "not an IP address",
		"ip=10.0.0.1-10.0.0.9":                   "not an IP address",
		"ip=10.0.0.*":                            "not an IP address",
		"admn=anna":                              "a filter that does not exist",
		"Q=anna":                                 "a filter that does not exist",
		"q%20=anna":                              "a filter that does not exist",
		"x":                                      "a filter that does not exist",
		"q=anna&q=ben":                           "a filter twice",
		"q=&q=ben":                               "a filter twice",
		"admin=a&admin=a":                        "a filter twice",
		"from=2026-05-01&from=":                  "a filter twice",
		"hide=me&hide=me":                        "a filter twice",
		"hide=anna":                              "a filter that does not exist",
		"looks=yes":                              "a filter that does not exist",
		"auto=true":                              "a filter that does not exist",
		"q=%zz":                                  "cannot be read",
		"q=a;admin=b":                            "cannot be read",
		"past=17.ff&back=17.ff":                  "a place that does not exist",
		"sort=colour":                            "a filter that does not exist",
		"size=1000000":                           "a filter that does not exist",
		"every=1":                                "a filter that does not exist",
		"page=0":                                 "a filter that does not exist",
		"range=1y":                               "not a time range",
		"from=yesterday":                         "not a time range",
		"from=2026-05-02&to=2026-05-01":          "not a time range",
		"from=0001-01-01":                        "not a time range",
		"at=x":                                   "not a time range",
		"past=x":                                 "a place that does not exist",
		"back=1":                                 "a place that does not exist",
		"q=" + strings.Repeat("x", 501):          "too long",
		"sort=url&page=201":                      "down to 10,000 rows",
		"q=%22anna":                              "A quote is not closed",
		"q=admin:%22anna":                        "A quote is not closed",
		"q=statsu:404":                           "no such key",
		"q=admin:":                               "A value is missing",
		"q=-outcome:ok":                          "no such value",
		"q=ip:10.0.0":                            "no such value",
		"outcome=ok":                             "a filter that does not exist",
		"actor=human":                            "a filter that does not exist",
		"country=POL":                            "a filter that does not exist",
		"object=%2F":                             "a filter that does not exist",
		"tenant=a&tenant=b":                      "a filter twice",
		"event=a&event=b":                        "a filter twice",
		"credential=" + strings.Repeat("x", 501): "too long",
		"q=" + strings.Repeat("admin:a+", 33):    "more than 32 terms",
	} {
		page := get(t, h, "/?"+query)
		if body := page.Body.String(); page.Code != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%.40s: status %d, want 400 and %q", query, page.Code, want)
		}
		api := get(t, h, "/api/events?"+query)
		if name, _, _ := strings.Cut(query, "="); api.Code != http.StatusBadRequest || !strings.Contains(api.Body.String(), `parameter \"`) || api.Code != http.StatusBadRequest && name != "" {
			t.Errorf("%.40s: API: status %d: %s", query, api.Code, api.Body)
		}
	}
}

func TestTimeRange(t *testing.T) {
	warsaw, err := time.LoadLocation("Europe/Warsaw")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ quick, from, to, wantFrom, wantTo string }{
		{"", "", "", "2026-05-03T12:00:00Z", "2026-05-04T12:15:00Z"},
		{"1h", "", "", "2026-05-04T11:00:00Z", "2026-05-04T12:15:00Z"},
		{"1h", "2026-05-01T10:00", "", "2026-05-01T08:00:00Z", "2026-05-04T12:15:00Z"},
		{"", "2026-05-04T14:10", "", "2026-05-04T12:10:00Z", "2026-05-04T12:15:00Z"},
		{"", "2026-05-01T10:00", "2026-05-01T10:00:05", "2026-05-01T08:00:00Z", "2026-05-01T08:00:05Z"},
		{"", "2026-05-01", "2026-05-01", "2026-04-30T22:00:00Z", "2026-05-01T22:00:00Z"},
		{"", "2026-05-01T10:00:00Z", "2026-05-01T10:00:00.0015Z", "2026-05-01T10:00:00Z", "2026-05-01T10:00:00.001Z"},
		{"", "", "2026-05-02T00:00:00Z", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"},
		{"", "2030-01-01T00:00:00Z", "", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00.001Z"},
		// The day on which clocks go forward has 23 hours, the other 25.
		{"", "2026-03-29", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"", "2026-10-25", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
	} {
		r, err := parseRange(test.quick, test.from, test.to, warsaw)
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		w := r.window(testNow)
		if from, to := formatInstant(w.From), formatInstant(w.To); from != test.wantFrom || to != test.wantTo {
			t.Errorf("%s %s %s: %s to %s, want %s to %s", test.quick, test.from, test.to, from, to, test.wantFrom, test.wantTo)
		}
	}
}

// TestFormBecomesAView sends what the form sends, and is led to the view.
func TestFormBecomesAView(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds()).URL)
	w := get(t, h, "/?size=50&range=24h&q=&from=2026-05-01T10%3A00&to=&method=GET&admin=+anna+&every=10",
		func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieZone, Value: "browser:Europe/Warsaw"}) })
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "./?admin=anna&from=2026-05-01T08%3A00%3A00Z&method=GET" {
		t.Errorf("status %d to %q", w.Code, got)
	}
	if w := get(t, h, "/?size=50&q="); w.Header().Get("Location") != "./" {
		t.Errorf("an empty form leads to %q", w.Header().Get("Location"))
	}
}

func TestColumnsCompare(t *testing.T) {
	event := func(change func(*adminsessions.Event)) *trail.Event {
		e := &trail.Event{}
		change(&e.Event)
		return e
	}
	user := func(name, email string) *trail.Event {
		return event(func(e *adminsessions.Event) { e.User = adminsessions.User{FullName: name, Email: email} })
	}
	address := func(s string) *trail.Event {
		return event(func(e *adminsessions.Event) { e.ClientAddress = netip.MustParseAddr(s) })
	}
	none := event(func(*adminsessions.Event) {})
	for column, inOrder := range map[column][]*trail.Event{
		byAdmin:    {none, user("anna", ""), user("Ben", "a"), user("ben", "b")},
		byAddress:  {none, address("10.0.0.9"), address("10.0.0.10"), address("2001:db8::1")},
		byStatus:   {none, event(func(e *adminsessions.Event) { e.StatusCode = 99 }), event(func(e *adminsessions.Event) { e.StatusCode = 404 })},
		byDuration: {none, event(func(e *adminsessions.Event) { e.Duration = 90 }), event(func(e *adminsessions.Event) { e.Duration = 1e4 })},
		byType:     {event(func(e *adminsessions.Event) { e.Type = adminsessions.API }), event(func(e *adminsessions.Event) { e.Type = adminsessions.Web })},
		byMethod: {event(func(e *adminsessions.Event) { e.Method, e.SentMethod = "_OTHER", "BREW" }), event(func(e *adminsessions.Event) { e.Method = "GET" }),
			event(func(e *adminsessions.Event) { e.Method = "POST" })},
		byURL:  {event(func(e *adminsessions.Event) { e.URL = "https://a/" }), event(func(e *adminsessions.Event) { e.URL = "https://b/" })},
		byTime: {{Nanos: 1}, {Nanos: 2}},
	} {
		if !slices.IsSortedFunc(inOrder, column.compare) {
			t.Errorf("%s: not in order", column)
		}
		for i := range len(inOrder) - 1 {
			if column.compare(inOrder[i], inOrder[i+1]) >= 0 || column.compare(inOrder[i+1], inOrder[i]) <= 0 {
				t.Errorf("%s: %d and %d compare wrongly", column, i, i+1)
			}
		}
	}
}
