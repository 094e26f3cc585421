package viewer

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestOnline is who was active, whatever the names hold.
func TestOnline(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	now := time.Now()
	nasty := adminsessions.User{ID: `7 "x" = %`, FullName: "Zoë \"Q\" \\ \x1b\u202e Żółć", Email: "zoë+a=b@example.com"}
	noMail := adminsessions.User{ID: "only an id"}
	as := func(u adminsessions.User, ip string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.User, e.ClientAddress = u, netip.MustParseAddr(ip) }
	}
	foreign := lokitest.Stream{Labels: map[string]string{"service_name": "other"}, Entries: []lokitest.Entry{
		{Time: now.Add(-time.Minute), Line: "hello"},
		{Time: now.Add(-time.Minute), Line: "type=\ufffd method=\ufffd status=\ufffd email=\ufffd ip=\ufffd id=\ufffd x=\ufffd"},
	}}
	push(t, loki, foreign, stream("one",
		event(now.Add(-50*time.Minute), 1, as(nasty, "10.0.0.1")),
		event(now.Add(-40*time.Minute), 2, as(noMail, "fe80::1%eth 0")),
		event(now.Add(-30*time.Minute), 3, as(nasty, "10.0.0.2")),
		event(now.Add(-20*time.Minute), 4, as(adminsessions.User{}, "10.0.0.3")),
		event(now.Add(5*time.Minute), 5, as(anna, "10.0.0.4")), // a clock that is ahead
	))
	resp, err := p.get(t.Context(), prefix+"api/online")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Online []struct {
			ID       string `json:"id"`
			FullName string `json:"full_name"`
			Email    string `json:"email"`
			Address  string `json:"client_address"`
		} `json:"online"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	var got []adminsessions.User
	for _, a := range answer.Online {
		if a.ID != "\ufffd" && a.ID != "□" { // what the foreign line says is nobody's loss
			got = append(got, adminsessions.User{ID: a.ID, FullName: a.FullName, Email: a.Email})
		}
	}
	want := []adminsessions.User{anna, nasty, noMail}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("online are %q, want %q", got, want)
	}
	if len(answer.Online) > 1 && answer.Online[1].Address != "10.0.0.2" {
		t.Errorf("addresses %+v, want the newest", answer.Online)
	}
}
