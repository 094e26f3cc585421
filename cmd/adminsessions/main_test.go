package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
)

func try(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &program{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		getenv: func(string) string { return "" }, logger: slog.New(slog.DiscardHandler),
	})
	return status, out.String(), errs.String()
}

func TestVersionIsPrinted(t *testing.T) {
	status, out, errs := try(t, "version")
	if status != exitOK || errs != "" || !strings.HasPrefix(out, "adminsessions "+adminsessions.Version) {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
	}
	status, out, _ = try(t, "version", "--json")
	var v struct{ Version, Go string }
	if err := json.Unmarshal([]byte(out), &v); err != nil || status != exitOK || v.Version != adminsessions.Version || v.Go == "" {
		t.Errorf("status %d, %v of %q", status, err, out)
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"version", "--help"}} {
		if status, out, errs := try(t, args...); status != exitOK || !strings.Contains(out, "Usage: adminsessions") || errs != "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, out, errs)
		}
	}
}

func TestWrongUsageIsOneLineAndStatus2(t *testing.T) {
	for _, args := range [][]string{{"nonsense"}, {"version", "--nonsense"}, {"version", "more"}} {
		status, out, errs := try(t, args...)
		if status != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "adminsessions: ") {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, out, errs)
		}
	}
}
