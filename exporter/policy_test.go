package exporter

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/adminsessions/adminsessions"
)

func TestPolicyIsRecordedOnce(t *testing.T) {
	dir := t.TempDir()
	recorded := func(x *Exporter, digest string) bool {
		t.Helper()
		before := x.spool.Stats().AppendedRecords
		ev := adminsessions.Event{Type: adminsessions.Trail, Action: "trail.policy_changed"}
		if err := x.LoggerProvider().RecordPolicy(t.Context(), &ev, digest); err != nil {
			t.Fatal(err)
		}
		return x.spool.Stats().AppendedRecords > before
	}
	open := func() *Exporter {
		t.Helper()
		x, err := New(WithSpoolDir(dir), WithLoki(adminsessions.Loki{URL: "http://127.0.0.1:1"}))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := open()
	for i, want := range []bool{true, false, true, true} {
		if got := recorded(x, []string{"a", "a", "b", "a"}[i]); got != want {
			t.Errorf("policy %d recorded: %t", i, got)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = x.Shutdown(ended) // there is no Loki to deliver to
	x = open()
	defer func() { _ = x.Shutdown(ended) }()
	if recorded(x, "a") {
		t.Error("recorded again after a restart")
	}
	if err := os.WriteFile(filepath.Join(dir, policyFile), []byte("another-log a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !recorded(x, "a") {
		t.Error("not recorded in a log that is a copy")
	}
}
