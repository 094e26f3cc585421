package proof_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/erase"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// A person's events are deleted from a real Loki, and verify says that they were
// erased, by whom, and that nothing else is missing or altered.
func TestErase(t *testing.T) {
	server, _ := startLoki(t)
	p := newPanel(t, server).start()
	person := func(id, email, note string) {
		e := adminsessions.Event{Time: time.Now(), Type: adminsessions.Web, Method: "GET", StatusCode: 200, RequestID: rand.Text(), URL: "https://panel.example/admin/?q=" + note,
			User: adminsessions.User{ID: id, FullName: "Jan", Email: email}}
		must(t, p.exp.RecordEvent(t.Context(), &e, adminsessions.Spooled))
	}
	for range 30 {
		p.record(3)
		person("77", "jan@example.com", "x")
		person("78", "hanjan@example.com", "y") // somebody else
	}
	person("79", "eve@example.com", "jan@example.com")
	p.flush()

	config := erase.Config{Loki: adminsessions.Loki{URL: server.URL()}, Services: []string{p.service}, Email: "Jan@example.com"}
	events, err := erase.Find(t.Context(), config)
	must(t, err)
	if len(events) != 30 {
		t.Fatalf("%d events found, want 30", len(events))
	}
	mentions := config
	mentions.Mentions = true
	if all, err := erase.Find(t.Context(), mentions); err != nil || len(all) != 61 {
		t.Errorf("%d mentions, want 61 (%v): an address that another one ends with is one, too", len(all), err)
	}
	act := erase.Act{By: adminsessions.User{ID: "1", Email: "officer@example.com"}, Reason: "request of 3 May", Sink: p.exp, Flush: p.exp.ForceFlush}
	if err := erase.Erase(t.Context(), config, events, erase.Act{Sink: p.exp, Reason: "x"}); err == nil || !strings.Contains(err.Error(), "By") {
		t.Errorf("by nobody: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, erase.Erase(ctx, config, events, act))
	p.record(25).stop()

	server.Stop() // its parts look for requests to delete when they begin
	server.Restart()
	query := `{service_name="` + p.service + `"} |= "email=jan@example.com "`
	await(t, "the events to be gone", func() bool {
		entries, err := server.Query(t.Context(), query, lokitest.Last(time.Hour))
		return err == nil && len(entries) == 0
	})
	r := p.verify(true)
	p.want(r, verify.Yes, verify.Yes, 1)
	erased := 0
	for _, e := range r.Logs[0].Erased {
		if !e.Proved || !strings.HasPrefix(e.By, r.Logs[0].ID+"/") {
			t.Errorf("%+v", e)
		}
		erased++
	}
	if erased != 30 {
		t.Errorf("%d events are erased, want 30\n%s", erased, r.Text())
	}
	act1, err := server.Query(t.Context(), `{service_name="`+p.service+`"} |= " action=`+proof.ErasedAction+` "`, lokitest.Last(time.Hour))
	if err != nil || len(act1) != 1 || !strings.Contains(act1[0].Line, `reason="request of 3 May"`) || strings.Contains(act1[0].Line, "jan@") {
		t.Errorf("%v, %v", act1, err)
	}

	// One event more is deleted than is on record.
	other := events[0].Number - 1
	at := events[0].Time
	remove(t, server, `{audit_log_id="`+r.Logs[0].ID+`"} |~ "seq=`+itoa(other)+`( |$)"`, at.Add(-time.Minute), at)
	p.want(p.verify(true), verify.No, verify.Unknown, 1)
}
