package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/proof"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"adminsessions": main})
}

// TestScripts runs testdata/script against a real Loki. Each script has a service
// of its own.
func TestScripts(t *testing.T) {
	loki := lokitest.Start(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			name := filepath.Base(env.WorkDir)
			env.Setenv("SERVICE", name)
			env.Setenv("ADMINSESSIONS_LOKI_URL", loki.URL())
			env.Setenv("LOKI", loki.URL())
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"record": record,
			"status": wantStatus,
			"forge":  func(ts *testscript.TestScript, _ bool, args []string) { forge(ts, loki, args) },
		},
	})
}

// record ADDRESS SPOOL: records what happens in a panel by way of a spool to the
// Loki at the address, and waits until it is found there; "away" is a Loki that is
// not.
func record(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: record ADDRESS SPOOL")
	}
	address, away := args[0], args[0] == "away"
	if away {
		address = "http://127.0.0.1:1"
	}
	service := ts.Getenv("SERVICE")
	var keep []exporter.Option
	if text := ts.Getenv("ADMINSESSIONS_SPOOL_KEY"); text != "" {
		key, err := base64.StdEncoding.DecodeString(text)
		ts.Check(err)
		keep = append(keep, exporter.WithSpoolKeys(key))
	}
	if file := ts.Getenv("PROOF_KEY_FILE"); file != "" {
		keys, err := proof.MakeKeyFile(ts.MkAbs(file), "panel")
		ts.Check(err)
		keep = append(keep, exporter.WithProof(exporter.Proof{Keys: keys}))
		ts.Check(os.WriteFile(ts.MkAbs("public.key"), []byte(keys[0].Public()+"\n"), 0o644))
	}
	exp, err := exporter.New(append(keep, exporter.WithLoki(adminsessions.Loki{URL: address}), exporter.WithSpoolDir(ts.MkAbs(args[1])),
		exporter.WithLogger(slog.New(slog.DiscardHandler)), exporter.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service), attribute.String("service.instance.id", "panel-0"))))...)
	ts.Check(err)
	for _, e := range happened(time.Now()) {
		ts.Check(exp.RecordEvent(context.Background(), &e, adminsessions.Synced))
	}
	wait := 20 * time.Second
	if away {
		wait = 100 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := exp.ForceFlush(ctx); (err != nil) != away {
		ts.Fatalf("delivering: %v", err)
	}
	ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ts.Check(exp.Shutdown(ending))
}

// forge SERVICE: pushes a forged event under a number of the service's trail, once
// it is there.
func forge(ts *testscript.TestScript, loki *lokitest.Server, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: forge SERVICE")
	}
	e := loki.Await(context.Background(), fmt.Sprintf(`{service_name=%q} |= "invoices.send"`, args[0]), lokitest.Last(time.Hour), 1)[0]
	e.Line = strings.Replace(e.Line, "invoices.send", "invoices.sent", 1)
	ts.Check(loki.Push(context.Background(), lokitest.Stream{Labels: e.Labels, Entries: []lokitest.Entry{{Time: e.Time.Add(time.Second), Line: e.Line}}}))
}

// happened is what happens in the panel.
func happened(now time.Time) []adminsessions.Event {
	anna := adminsessions.User{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com"}
	bob := adminsessions.User{ID: "7", FullName: "Bob \x1b[31mRed", Email: "bob@example.com"}
	at := func(ago int) time.Time { return now.Add(-time.Duration(ago) * time.Second) }
	return []adminsessions.Event{
		{Time: at(50), Type: adminsessions.Web, RequestID: "r-list", User: anna, Method: "GET", StatusCode: 200, Duration: 12 * time.Millisecond, URL: "https://panel.example/admin/clients",
			Action: "clients.list", Resource: adminsessions.Resource{Type: "clients"}, ClientAddress: netip.MustParseAddr("10.2.3.4"), SessionID: "s-anna"},
		{Time: at(40), Type: adminsessions.API, RequestID: "r-delete", User: anna, Method: "DELETE", StatusCode: 204, Duration: 31 * time.Millisecond, URL: "https://panel.example/admin/api/clients/7731",
			Action: "clients.delete", Resource: adminsessions.Resource{Type: "clients", ID: "7731", Name: "Acme"}, ClientAddress: netip.MustParseAddr("10.2.3.4"), SessionID: "s-anna",
			Reason: "the customer asked", Note: "client 7731 deleted\nits 3 services, too", Changes: []adminsessions.Change{{Field: "status", Old: "active", New: "closed"}}},
		{Time: at(30), Type: adminsessions.Web, RequestID: "r-denied", User: bob, Method: "POST", StatusCode: 403, Duration: 2 * time.Millisecond, URL: "https://panel.example/admin/roles",
			Action: "roles.update", Resource: adminsessions.Resource{Type: "roles", ID: "1"}, ClientAddress: netip.MustParseAddr("2001:db8::7"), SessionID: "s-bob"},
		{Time: at(20), Type: adminsessions.Web, RequestID: "r-signin", Method: "POST", StatusCode: 401, URL: "https://panel.example/login", Action: "sign_in",
			SignIn: adminsessions.SignIn{Name: "root", Outcome: adminsessions.SignInFailure}, ClientAddress: netip.MustParseAddr("203.0.113.9")},
		{Time: at(10), Type: adminsessions.Job, RequestID: "j-nightly", Action: "invoices.send", Outcome: adminsessions.OutcomeSuccess,
			Actor: adminsessions.Actor{Type: adminsessions.ActorSystem}, Cause: "r-delete", Duration: 3 * time.Second},
	}
}

// wantStatus N COMMAND…: runs a command and wants it to end with a status.
func wantStatus(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		got = -1
		if exit, ok := err.(interface{ ExitCode() int }); ok {
			got = exit.ExitCode()
		}
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
	if want > 0 && os.Getenv("SHOW") != "" {
		fmt.Fprintln(os.Stderr, ts.ReadFile("stderr"))
	}
}
