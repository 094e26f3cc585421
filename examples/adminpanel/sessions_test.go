package main

import (
	"crypto/sha256"
	"reflect"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/viewer"
)

// TestEndSessions ends sessions by what the trail calls them, and nobody else's.
func TestEndSessions(t *testing.T) {
	p, _ := newTestPanel(t)
	anna, again, rory := p.accounts.byEmail["anna@example.com"], p.accounts.byEmail["anna@example.com"], p.accounts.byEmail["rory@example.com"]
	first, second, other := p.sessions.start(anna), p.sessions.start(again), p.sessions.start(rory)
	alive := func() (alive []string) {
		for name, secret := range map[string]string{"first": first, "second": second, "other": other} {
			if p.sessions.account(secret) != nil {
				alive = append(alive, name)
			}
		}
		return alive
	}
	for _, which := range []viewer.Ending{
		{SessionID: "unknown", Admin: anna.user()},
		{SessionID: first, Admin: anna.user()}, // the secret itself is no name
		{Admin: adminsessions.User{ID: "99"}},
		{}, // nobody's
	} {
		if n, err := p.sessions.End(t.Context(), which); n != 0 || err != nil || len(alive()) != 3 {
			t.Errorf("%+v ended %d, %v; alive are %v", which, n, err, alive())
		}
	}
	if n, err := p.sessions.End(t.Context(), viewer.Ending{SessionID: instrumentation.SessionHash(p.sessions.key, first)}); n != 1 || err != nil || len(alive()) != 2 {
		t.Errorf("one session: ended %d, %v; alive are %v", n, err, alive())
	}
	p.sessions.start(anna)
	if n, err := p.sessions.End(t.Context(), viewer.Ending{Admin: anna.user()}); n != 2 || err != nil || strings.Join(alive(), "") != "other" {
		t.Errorf("all of Anna: ended %d, %v; alive are %v", n, err, alive())
	}
	if _, ok := p.sessions.active[sha256.Sum256([]byte(other))]; !ok {
		t.Error("Rory's session has ended, too")
	}
}

// TestRolesDecideWhatIsSeen has each account see its part of the trail.
func TestRolesDecideWhatIsSeen(t *testing.T) {
	all := demoAccounts()
	rory := all.byEmail["rory@example.com"]
	for email, want := range map[string]viewer.Scope{
		"demo-admin@example.com": {All: true, EndSessions: true},
		"anna@example.com":       {Tenants: []string{"northbridge"}},
		"rory@example.com":       {Own: rory.user(), NoExport: true},
		"nobody@example.com":     {},
	} {
		if got := all.byEmail[email].scope(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s sees %+v, want %+v", email, got, want)
		}
	}
}
