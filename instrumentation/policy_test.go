package instrumentation_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

func isDangerous(*http.Request) bool { return true }

func TestThePolicyIsOnRecord(t *testing.T) {
	var s recordtest.Sink
	make := func(opts ...instrumentation.Option) {
		t.Helper()
		if _, err := instrumentation.NewMiddleware(append(opts, instrumentation.WithLoggerProvider(&s))...); err != nil {
			t.Fatal(err)
		}
	}
	opts := []instrumentation.Option{
		instrumentation.WithFilter("assets", instrumentation.Routes("GET /assets/", "GET /healthz")),
		instrumentation.WithStrict(instrumentation.Routes("DELETE /admin/")),
		instrumentation.WithRequiredReason(instrumentation.When(isDangerous)),
		instrumentation.WithRedactedQuery("customer"),
		instrumentation.WithRedactedPath("/invite/{token}"),
		instrumentation.WithShownQuery("badge_code"),
		instrumentation.WithHeaders("X-Team"),
		instrumentation.WithFormFields("status"),
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("10.0.0.5/32")),
		instrumentation.WithTruncatedAddresses(24, 48),
	}
	make(opts...)
	make(opts...) // the same one again: nothing has changed
	make(opts[1:]...)
	make(opts...)
	policies := s.Policies()
	if len(policies) != 3 || len(s.Events()) != 0 {
		t.Fatalf("%d policies %q, %d events", len(policies), recordtest.Lines(policies), len(s.Events()))
	}
	e := policies[0]
	if e.Type != adminsessions.Trail || e.EventName() != "audit.trail" || e.Action != "trail.policy_changed" || e.Outcome != "success" || e.Actor.Type != "system" || e.Time.IsZero() {
		t.Errorf("recorded %s", e.Line())
	}
	said := map[attribute.Key]string{}
	for _, kv := range e.Attributes {
		said[kv.Key] = kv.Value.String()
	}
	for key, want := range map[attribute.Key]string{
		"policy.left_out": "assets (GET /assets/, GET /healthz)", "policy.strict": "DELETE /admin/",
		"policy.reason_required": "function github.com/adminsessions/adminsessions/instrumentation_test.isDangerous",
		"policy.hidden_names":    "customer", "policy.hidden_paths": "/invite/{token}", "policy.shown_names": "badge_code",
		"policy.headers": "X-Team", "policy.form_fields": "status", "policy.client_address": "X-Forwarded-For believed of 10.0.0.5/32",
		"policy.addresses_cut_to": "/24 and /48", "policy.anonymous_limit": "30", "policy.started_after": "10s",
	} {
		if said[key] != want {
			t.Errorf("%s is %q, want %q", key, said[key], want)
		}
		if !strings.Contains(e.Note, want) {
			t.Errorf("%q is not in the note %q", want, e.Note)
		}
	}
	if said["policy.digest"] == "" || strings.Contains(policies[1].Note, "left out") {
		t.Errorf("recorded %s", policies[1].Line())
	}
	if back, err := adminsessions.ParseLine(e.Line()); err != nil || back.Type != adminsessions.Trail {
		t.Errorf("read back %v, %v", back.Type, err)
	}
}

// plainSink knows nothing of policies.
type plainSink struct {
	noop.LoggerProvider
	record func(*adminsessions.Event) error
}

func (s plainSink) RecordEvent(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
	return s.record(e)
}

func TestThePolicyOfOtherSinks(t *testing.T) {
	n := 0
	for _, record := range []func(*adminsessions.Event) error{
		func(*adminsessions.Event) error { return nil },
		func(*adminsessions.Event) error { return errors.New("full") },
		func(*adminsessions.Event) error { panic("closed") },
	} {
		var said strings.Builder
		_, err := instrumentation.NewMiddleware(instrumentation.WithLogger(slog.New(slog.NewTextHandler(&said, nil))),
			instrumentation.WithLoggerProvider(plainSink{record: func(e *adminsessions.Event) error { n++; return record(e) }}),
			instrumentation.WithFilter(strings.Repeat("x", 5000), instrumentation.Routes("/y")))
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(said.String(), "not itself on record") != (n > 1) {
			t.Errorf("said %s", said.String())
		}
	}
	if n != 3 {
		t.Errorf("%d events", n)
	}
}
