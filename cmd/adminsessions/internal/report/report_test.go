package report

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

func newMaker(from time.Time) *maker {
	return &maker{r: &Report{Period: "day", From: from, To: from.AddDate(0, 0, 1)},
		admins: map[string]*admin{}, acts: map[string]*Act{}, signIns: map[[2]string]*SignIns{}, pairs: map[[2]string]*NewAddress{}}
}

func TestBounds(t *testing.T) {
	warsaw, err := time.LoadLocation("Europe/Warsaw")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		period, at, from, to string
	}{
		{"day", "2026-05-04T12:00:00+02:00", "2026-05-04T00:00:00+02:00", "2026-05-05T00:00:00+02:00"},
		{"day", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"}, // 23 hours
		{"week", "2026-05-04T00:00:00+02:00", "2026-05-04T00:00:00+02:00", "2026-05-11T00:00:00+02:00"},
		{"week", "2026-05-10T23:59:59+02:00", "2026-05-04T00:00:00+02:00", "2026-05-11T00:00:00+02:00"},
		{"week", "2026-01-01T12:00:00+01:00", "2025-12-29T00:00:00+01:00", "2026-01-05T00:00:00+01:00"},
		{"month", "2026-02-28T12:00:00+01:00", "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00"},
		{"month", "2026-12-31T12:00:00+01:00", "2026-12-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00"},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		from, to := Bounds(test.period, at.In(warsaw))
		if from.Format(time.RFC3339) != test.from || to.Format(time.RFC3339) != test.to {
			t.Errorf("%s of %s: %v to %v", test.period, test.at, from, to)
		}
		last, end := Last(test.period, at.In(warsaw))
		if !end.Equal(from) || !last.Before(end) {
			t.Errorf("the last %s before %s: %v to %v", test.period, test.at, last, end)
		}
	}
}

// Everything is counted, whatever is listed; what a folded record stands for, too.
func TestWhatIsListedIsBounded(t *testing.T) {
	from := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	m := newMaker(from)
	const admins = 500
	for i := range admins {
		e := trail.Event{Event: adminsessions.Event{
			Time: from.Add(time.Duration(i) * time.Minute), Type: adminsessions.API, Method: "DELETE", StatusCode: 204 + 199*(i%2), Reason: "because",
			User: adminsessions.User{Email: fmt.Sprintf("admin-%d@example.com", i)}, ClientAddress: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Action: fmt.Sprintf("things%d.delete", i),
		}}
		m.add(&e)
	}
	flood := trail.Event{Event: adminsessions.Event{Time: from, Type: adminsessions.Web, Method: "POST", StatusCode: 401, Count: 1000, SignIn: adminsessions.SignIn{Name: "root", Outcome: adminsessions.SignInFailure}}}
	m.add(&flood)
	m.add(&trail.Event{Unreadable: true, Line: "x"})
	started := trail.Event{Event: adminsessions.Event{Time: from, Type: adminsessions.Web, Method: "GET", Stage: adminsessions.Started}}
	m.add(&started)
	r := m.end(map[[2]string]bool{{"admin-1@example.com", "10.0.0.1"}: true}, []trail.LogNumbers{
		{Log: "a", First: 1, Last: 10, Events: 7}, {Log: "b", First: 5, Last: 5, Events: 2}, {Log: "c", First: 1, Last: 3, Events: 3},
	})
	if r.Events != admins+1000 || r.Changes != admins/2 || r.Denied != admins/2 || r.Failed != 1000 {
		t.Errorf("events %d, changes %d, denied %d, failed %d", r.Events, r.Changes, r.Denied, r.Failed)
	}
	if r.Missing != 3 || r.Doubled != 1 {
		t.Errorf("missing %d, doubled %d", r.Missing, r.Doubled)
	}
	if len(r.SignIns) != 1 || r.SignIns[0].Times != 1000 {
		t.Errorf("sign-ins %+v", r.SignIns)
	}
	for name, n := range map[string]int{"admins": len(r.Admins) + r.More.Admins, "acts": len(r.Acts) + r.More.Acts - 1, "reasons": len(r.Reasons) + r.More.Reasons, "new addresses": len(r.NewAddresses) + r.More.NewAddresses + 1} {
		if n != admins {
			t.Errorf("%d %s, want %d", n, name, admins)
		}
	}
	if n := len(r.Refusals) + r.More.Refusals; n != admins/2 || len(r.Refusals) != maxListed {
		t.Errorf("%d refusals, %d of them listed", n, len(r.Refusals))
	}
	var text, page strings.Builder
	same := func(s string) string { return s }
	if err := r.Text(&text, same, same); err != nil || !strings.Contains(text.String(), "and 450 more") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := r.HTML(&page); err != nil || !strings.Contains(page.String(), "3 missing") {
		t.Errorf("%v", err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// What stands in the trail is text in the document, whatever it is.
func TestNothingRecordedIsMarkup(t *testing.T) {
	evil := `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	m := newMaker(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))
	e := trail.Event{Event: adminsessions.Event{Time: m.r.From, Type: adminsessions.Web, Method: "POST", StatusCode: 403, URL: evil, Action: evil, Reason: evil, Note: evil,
		User: adminsessions.User{ID: evil, Email: evil, FullName: evil}, SignIn: adminsessions.SignIn{Name: evil, Outcome: adminsessions.SignInFailure},
		ClientAddress: netip.MustParseAddr("10.0.0.1"), Geo: adminsessions.Geo{Country: evil, Network: evil}, Resource: adminsessions.Resource{Type: evil, ID: evil, Name: evil}}}
	m.add(&e)
	e.Type = adminsessions.Trail
	m.addTrail(&e)
	r := m.end(map[[2]string]bool{}, []trail.LogNumbers{{Service: evil, Instance: evil, Log: evil}})
	r.Unknown = []string{evil}
	var page strings.Builder
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<script") || strings.Contains(page.String(), "<img") {
		t.Errorf("%s", page.String())
	}
}

// An administrator without a name is called by the address, not by that and the
// identifier in one word.
func TestAnAdministratorWithoutAName(t *testing.T) {
	m := newMaker(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))
	for _, u := range []adminsessions.User{{ID: "7", Email: "anna@example.com"}, {ID: "8"}, {ID: "9", Email: "ben@example.com", FullName: "Ben"}} {
		m.add(&trail.Event{Event: adminsessions.Event{Time: m.r.From, Type: adminsessions.Web, Method: "GET", StatusCode: 200, User: u}})
	}
	var text strings.Builder
	same := func(s string) string { return s }
	if err := m.end(nil, nil).Text(&text, same, same); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  anna@example.com ", "  8 ", "  Ben "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
