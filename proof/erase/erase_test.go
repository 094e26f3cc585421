package erase

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

func TestTheirs(t *testing.T) {
	line := func(e adminsessions.Event) string {
		return string(adminsessions.AppendSequence([]byte(e.Line()), 7, time.Time{}))
	}
	anna := adminsessions.User{ID: "7", Email: "anna+a=b@example.com"}
	for name, c := range map[string]struct {
		config Config
		event  adminsessions.Event
		want   bool
	}{
		"by address":             {Config{Email: anna.Email}, adminsessions.Event{User: anna}, true},
		"in any case":            {Config{Email: "Anna+A=B@Example.COM"}, adminsessions.Event{User: anna}, true},
		"by id":                  {Config{ID: "7"}, adminsessions.Event{User: anna}, true},
		"an id is exact":         {Config{ID: "7"}, adminsessions.Event{User: adminsessions.User{ID: "77"}}, false},
		"an address is exact":    {Config{Email: "a@example.com"}, adminsessions.Event{User: adminsessions.User{Email: "nina@example.com"}}, false},
		"an id is no address":    {Config{ID: "7"}, adminsessions.Event{StatusCode: 7, Note: "7"}, false},
		"acted as":               {Config{Email: anna.Email}, adminsessions.Event{Target: anna}, true},
		"tried to sign in":       {Config{Email: anna.Email}, adminsessions.Event{SignIn: adminsessions.SignIn{Name: anna.Email, Outcome: adminsessions.SignInFailure}}, true},
		"mentioned, not asked":   {Config{Email: anna.Email}, adminsessions.Event{Note: "mail to " + anna.Email}, false},
		"mentioned":              {Config{Email: anna.Email, Mentions: true}, adminsessions.Event{Note: "mail to " + anna.Email}, true},
		"mentioned as a word":    {Config{Email: anna.Email, Mentions: true}, adminsessions.Event{Action: anna.Email}, true},
		"the trail's own":        {Config{Email: anna.Email, Mentions: true}, adminsessions.Event{Type: adminsessions.Trail, User: anna}, false},
		"nobody":                 {Config{ID: "7"}, adminsessions.Event{}, false},
		"hidden by a false name": {Config{ID: "7"}, adminsessions.Event{User: adminsessions.User{ID: `x id=7`}}, false},
	} {
		if got := c.config.isTheirs(line(c.event)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Requests to delete name every event, once, and nothing else; and none is longer
// than a day, as Loki would cut it into many.
func TestRequests(t *testing.T) {
	began := time.Date(2026, 11, 1, 23, 0, 0, 0, time.UTC)
	var events []Event
	for i := range 2000 {
		events = append(events, Event{Log: fmt.Sprintf("log%d", i%2), Number: uint64(i * 11), Time: began.Add(time.Duration(i) * time.Minute)})
	}
	chosen := func(log string, number uint64, at time.Time) (n int) {
		for _, r := range requests(events) {
			if r.to.Sub(r.from) > 24*time.Hour {
				t.Fatalf("%s to %s", r.from, r.to)
			}
			_, pattern, _ := strings.Cut(r.query, ` |~ "`)
			pattern = strings.ReplaceAll(strings.TrimSuffix(pattern, `"`), `\t`, "\t")
			line := fmt.Sprintf("type=WEB …\tsession=- …\tseq=%d", number)
			if strings.Contains(r.query, `audit_log_id="`+log+`"`) && !at.Before(r.from) && !at.After(r.to) && regexp.MustCompile(pattern).MatchString(line) {
				n++
			}
		}
		return n
	}
	for i := 0; i < len(events); i += 97 {
		e := events[i]
		if n := chosen(e.Log, e.Number, e.Time); n != 1 {
			t.Errorf("event %d is deleted %d times", e.Number, n)
		}
		if n := chosen(e.Log, e.Number+1, e.Time) + chosen(e.Log+"x", e.Number, e.Time); n != 0 {
			t.Errorf("what is beside event %d is deleted", e.Number)
		}
	}
}

func TestNobody(t *testing.T) {
	if _, err := Find(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "ID and Email") {
		t.Error(err)
	}
}
