package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

func TestTimes(t *testing.T) {
	zone := time.FixedZone("CEST", 2*60*60)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"now": "2026-05-04T12:00:00Z", "30m": "2026-05-04T11:30:00Z", "7d": "2026-04-27T12:00:00Z", "2w": "2026-04-20T12:00:00Z", "1y": "2025-05-04T12:00:00Z", "1h30m": "2026-05-04T10:30:00Z",
		"2026-05-01": "2026-04-30T22:00:00Z", "2026-05-01 12:30": "2026-05-01T10:30:00Z", "2026-05-01T12:30:15": "2026-05-01T10:30:15Z",
		"2026-05-01T12:30:00Z": "2026-05-01T12:30:00Z", "2026-05-01T12:30:00.5-01:00": "2026-05-01T13:30:00.5Z",
	} {
		got, err := parseTime(s, now, zone)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "-5m", "0h", "d", "1.5d", "99999999999999d", "2026-02-30", "12:30", "0001-01-01", "2026-05-01T25:00:00Z", "9999-01-01T00:00:00Z"} {
		var told interface{ ExitStatus() int }
		if got, err := parseTime(s, now, zone); err == nil || !errors.As(err, &told) || told.ExitStatus() != StatusUsage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, %v; want one clear line", s, got, err)
		}
	}
}

// What is recorded reaches no terminal as a command, whatever it is.
func TestNothingRecordedIsACommand(t *testing.T) {
	evil := "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\r\n\x00\b"
	e := trail.Event{Event: adminsessions.Event{
		Type: adminsessions.Type(evil), Method: evil, SentMethod: evil, URL: evil, Action: evil, RequestID: evil, SessionID: evil, Note: evil, Reason: evil, UserAgent: evil,
		User: adminsessions.User{ID: evil, FullName: evil, Email: evil}, Resource: adminsessions.Resource{Type: evil, ID: evil, Name: evil},
		SignIn: adminsessions.SignIn{Name: evil}, Outcome: adminsessions.Outcome(evil), Changes: []adminsessions.Change{{Field: evil, Old: evil, New: evil}},
	}, Line: evil, Labels: map[string]string{"service_name": evil, evil: evil}}
	for _, unreadable := range []bool{false, true} {
		e.Unreadable = unreadable
		var b strings.Builder
		r := &rows{w: &b, zone: time.UTC}
		if err := errors.Join(r.write(&e), r.details(&e)); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexAny(strings.ReplaceAll(b.String(), "\n", ""), "\x00\x07\b\r\x1b\u202e\u009b"); i >= 0 {
			t.Errorf("%q", b.String())
		}
		if n := strings.Count(strings.SplitAfter(b.String(), "\n")[0], "\n"); n != 1 {
			t.Errorf("a row of %d lines", n)
		}
	}
}

func TestTheSectionOfTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("listen: 127.0.0.1:1\nloki:\n  url: http://loki.example\n  tenant_id: 12\n  timeout: 1m30s\n  headers: {X-Team: 'a,b=c d', X-More: 100%}\n")
	environment := map[string]string{"ADMINSESSIONS_LOKI_TENANT_ID": "theirs", "ADMINSESSIONS_LOKI_QUERY_TENANT_ID": "a|b"}
	c := Connection{Config: file}
	getenv, err := c.environment(&World{Getenv: func(k string) string { return environment[k] }})
	if err != nil {
		t.Fatal(err)
	}
	for variable, want := range map[string]string{
		"ADMINSESSIONS_LOKI_URL": "http://loki.example", "ADMINSESSIONS_LOKI_TENANT_ID": "12", "ADMINSESSIONS_LOKI_TIMEOUT": "90000",
		"ADMINSESSIONS_LOKI_HEADERS": "X-Team=a%2Cb%3Dc%20d,X-More=100%25", "ADMINSESSIONS_LOKI_QUERY_TENANT_ID": "a|b",
	} {
		if got := getenv(variable); got != want {
			t.Errorf("%s is %q, want %q", variable, got, want)
		}
	}
	if _, err := c.client(&World{Getenv: func(k string) string { return environment[k] }}); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"loki: [1]": "cannot unmarshal", "loki:\n  url: [a]": "line 2: loki.url: want one value", "loki:\n  password: x": "line 2: loki.password is not known",
		"a: b: c": "mapping values", "loki: {url: 'http://anna:pa55@loki'}": "holds credentials",
	} {
		write(text)
		_, err := c.client(&World{Getenv: func(string) string { return "" }})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "pa55") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// A file without the section says nothing, and so does an empty one.
	for _, text := range []string{"", "listen: x\n"} {
		write(text)
		if _, err := c.client(&World{Getenv: func(string) string { return "" }}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
