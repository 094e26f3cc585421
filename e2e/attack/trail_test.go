package attack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// trail is everything the panel has recorded.
const trail = `{service_name="adminpanel"}`

// TestAttacks makes all attacks, ends the panel, and reads the trail.
func TestAttacks(t *testing.T) {
	s := startSuite(t)
	attacks := slices.Concat(evasions(), resets(), forgeries(), spoofs(), secrets(), injections(), exhaustions(), http2Attacks())
	seen := make(map[string]bool)
	for i := range attacks {
		a := &attacks[i]
		if seen[a.name] || strings.ContainsAny(a.name, " .") {
			t.Fatalf("%q is the name of two attacks, or has a space or a full stop", a.name)
		}
		seen[a.name] = true
		a.run(t, s)
	}
	t.Logf("%d attacks", len(attacks))
	if len(attacks) < 200 {
		t.Errorf("only %d attacks", len(attacks))
	}
	s.lookAtThePage(t)
	if held := s.memory(); held > 300<<20 {
		t.Errorf("the panel holds %d MiB after the attacks", held>>20)
	}
	s.stop()

	lines := s.read(t)
	byAttack := make(map[string][]line)
	for _, l := range lines {
		if name, ok := strings.CutPrefix(l.event.UserAgent, "attack/"); ok {
			name, _, _ = strings.Cut(name, ".")
			byAttack[name] = append(byAttack[name], l)
		}
	}
	t.Run("trail", func(t *testing.T) {
		s.mustBeWhole(t, lines)
		s.mustReadTheSameInLoki(t, lines)
	})
	for i := range attacks {
		a := &attacks[i]
		t.Run(a.name, func(t *testing.T) { a.judge(t, byAttack[a.name]) })
	}
}

// read returns the trail in the order of its numbers. Each line must be one of
// an event.
func (s *suite) read(t *testing.T) []line {
	t.Helper()
	entries, err := s.loki.Query(t.Context(), trail, lokitest.Last(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var lines []line
	for _, e := range entries {
		event, err := adminsessions.ParseLine(e.Line)
		if err != nil {
			t.Errorf("%v: %.500q", err, e.Line)
			continue
		}
		lines = append(lines, line{e.Line, event})
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.event.Sequence, b.event.Sequence) })
	return lines
}

// mustBeWhole: no number is missing or there twice, and no line holds what it
// must never hold.
func (s *suite) mustBeWhole(t *testing.T, lines []line) {
	t.Helper()
	for i, l := range lines {
		if l.event.Sequence != uint64(i+1) {
			t.Errorf("line %d has number %d", i+1, l.event.Sequence)
			break
		}
	}
	for _, l := range lines {
		if strings.Count(l.text, "\t") != 2 {
			t.Errorf("%d TABs: %.500q", strings.Count(l.text, "\t"), l.text)
		}
		if !utf8.ValidString(l.text) || strings.ContainsRune(l.text, utf8.RuneError) || len(l.text) > adminsessions.MaxLineBytes {
			t.Errorf("%d bytes, or U+FFFD: %.500q", len(l.text), l.text)
		}
		for _, r := range l.text {
			if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Errorf("it holds %U: %.500q", r, l.text)
				break
			}
		}
		for _, secret := range []string{"demo-token-", strings.SplitN(s.session, "=", 2)[1], "password=demo"} {
			if strings.Contains(l.text, secret) {
				t.Errorf("it holds the secret %q: %.500q", secret, l.text)
			}
		}
		// What was read can be written again, byte for byte.
		rest := l.text[:strings.LastIndexByte(l.text, '\t')]
		e := l.event
		if again := e.Line(); again != rest {
			t.Errorf("written again it reads\n%.800s, it was\n%.800s", again, rest)
		}
	}
}

// mustReadTheSameInLoki: dashboards and rules read a line with pattern and
// logfmt; neither may be made to see other values than the panel recorded.
func (s *suite) mustReadTheSameInLoki(t *testing.T, lines []line) {
	t.Helper()
	read := func(stages string) map[string]map[string]string {
		entries, err := s.loki.Query(t.Context(), trail+stages, lokitest.Last(time.Hour))
		if err != nil {
			t.Fatalf("%s: %v", stages, err)
		}
		parsed := make(map[string]map[string]string, len(entries))
		for _, e := range entries {
			parsed[e.Line] = e.Parsed
		}
		return parsed
	}
	byPattern := read(` | pattern "type=<type> method=<method> status=<status> email=<email> ip=<ip> id=<id> <_>"`)
	byLogfmt := read(" | logfmt --strict")
	for _, l := range lines {
		words := make(map[string]string)
		for _, word := range strings.Fields(l.people())[:6] {
			name, value, _ := strings.Cut(word, "=")
			words[name] = value
		}
		for name, want := range words {
			for stage, got := range map[string]string{"pattern": byPattern[l.text][name], "logfmt": byLogfmt[l.text][name]} {
				if got != want {
					t.Errorf("%s reads %s=%q, want %q: %.500s", stage, name, got, want, l.text)
				}
			}
		}
		e := l.event
		for name, want := range map[string]string{
			"url": e.URL, "name": e.User.FullName, "tried": e.SignIn.Name, "note": e.Note, "ua": e.UserAgent,
			"route": e.Route, "sent_method": e.SentMethod, "error": e.ErrorType, "seq": fmt.Sprint(e.Sequence),
		} {
			if got := byLogfmt[l.text][name]; got != want && (want != "" || got != "-") {
				t.Errorf("logfmt reads %s=%q, want %q: %.500s", name, got, want, l.text)
			}
		}
	}
}
