// Package lokitest_test shows that the Loki of internal/lokitest is a real one
// and fails the ways it says.
package lokitest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

var labels = map[string]string{"service_name": "lokitest"}

const all = `{service_name="lokitest"}`

func push(t *testing.T, loki *lokitest.Server, at time.Time, lines ...string) {
	t.Helper()
	stream := lokitest.Stream{Labels: labels}
	for i, line := range lines {
		stream.Entries = append(stream.Entries, lokitest.Entry{
			Time: at.Add(time.Duration(i)), Line: line, Metadata: map[string]string{"user_email": "anna@example.com"},
		})
	}
	if err := loki.Push(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
}

func TestPushAndQuery(t *testing.T) {
	loki := lokitest.Start(t)
	at := time.Now()
	push(t, loki, at, "first", "second")

	entries, err := loki.Query(t.Context(), all+` | label_format who="{{.user_email}}"`, lokitest.Last(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Line != "first" || entries[1].Line != "second" {
		t.Fatalf("entries = %+v", entries)
	}
	e := entries[0]
	if !e.Time.Equal(at) || e.Labels["service_name"] != "lokitest" ||
		e.Metadata["user_email"] != "anna@example.com" || e.Parsed["who"] != "anna@example.com" {
		t.Errorf("entry = %+v", e)
	}

	samples, err := loki.Instant(t.Context(), `sum(count_over_time(`+all+`[1h]))`, time.Now())
	if err != nil || len(samples) != 1 || samples[0].Value != 2 {
		t.Errorf("count = %+v, %v; want 2", samples, err)
	}
	to := time.Now().Truncate(time.Minute)
	series, err := loki.Series(t.Context(), `sum(count_over_time(`+all+`[1h]))`,
		lokitest.Range{From: to, To: to.Add(2 * time.Minute)}, time.Minute)
	if err != nil || len(series) != 1 || !series[0].Points[0].Time.Equal(to.Add(time.Minute)) {
		// The entries are younger than the first point.
		t.Errorf("series = %+v, %v", series, err)
	}
}

func TestQueryReturnsMoreThanAPage(t *testing.T) {
	const count = 11_000 // over two of Loki's pages
	loki := lokitest.Start(t)
	lines := make([]string, count)
	for i := range lines {
		lines[i] = fmt.Sprint(i)
	}
	push(t, loki, time.Now(), lines...)
	entries, err := loki.Query(t.Context(), all, lokitest.Last(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != count {
		t.Fatalf("%d entries, want %d", len(entries), count)
	}
	for i, e := range entries {
		if e.Line != lines[i] {
			t.Fatalf("entry %d is %q: the pages overlap or have a gap", i, e.Line)
		}
	}
}

func TestAcknowledgedEntriesSurvive(t *testing.T) {
	loki := lokitest.Start(t)
	for _, end := range []struct {
		name string
		do   func()
	}{{"stop", loki.Stop}, {"kill", loki.Kill}} {
		push(t, loki, time.Now(), "before "+end.name)
		url := loki.URL()
		end.do()
		if err := loki.Push(t.Context(), lokitest.Stream{Labels: labels}); err == nil {
			t.Fatalf("a push after %s was taken in", end.name)
		}
		loki.Restart()
		if loki.URL() != url {
			t.Fatalf("restart moved Loki from %s to %s", url, loki.URL())
		}
		found, err := loki.Query(t.Context(), all+` |= "before `+end.name+`"`, lokitest.Last(time.Hour))
		if err != nil || len(found) != 1 {
			t.Errorf("after %s: %d entries, %v; want the one pushed before", end.name, len(found), err)
		}
	}
}

// A backlog that is delivered late must be seen at once, not when Loki flushes
// it hours later.
func TestOldEntriesAreVisibleAtOnce(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now()
	for _, age := range []time.Duration{300 * 24 * time.Hour, 50 * time.Hour, 26 * time.Hour, time.Hour, 0} {
		stream := lokitest.Stream{
			Labels:  map[string]string{"service_name": "lokitest", "service_instance_id": age.String()},
			Entries: []lokitest.Entry{{Time: now.Add(-age), Line: age.String()}},
		}
		if err := loki.Push(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	for _, again := range []func(){func() {}, loki.Restart} {
		again()
		entries, err := loki.Query(t.Context(), all, lokitest.Last(301*24*time.Hour))
		if err != nil || len(entries) != 5 {
			t.Errorf("%d entries, %v; want all 5", len(entries), err)
		}
	}
}

func TestPauseAnswersNothing(t *testing.T) {
	loki := lokitest.Start(t)
	loki.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := loki.Query(ctx, all, lokitest.Last(time.Hour)); err == nil {
		t.Error("a paused Loki answered")
	}
	loki.Resume()
	if _, err := loki.Query(t.Context(), all, lokitest.Last(time.Hour)); err != nil {
		t.Errorf("after resume: %v", err)
	}
}

func TestErrorsCarryLokisWords(t *testing.T) {
	loki := lokitest.Start(t)
	_, err := loki.Query(t.Context(), `{service_name=`, lokitest.Last(time.Hour))
	if err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Errorf("error = %v; want Loki's parse error", err)
	}
}
