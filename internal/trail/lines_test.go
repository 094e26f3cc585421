package trail

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

func TestLinesQL(t *testing.T) {
	scope := Scope{Services: []string{"panel"}, Environments: []string{"production"}}
	selector := `{audit_lines_of=~"panel", deployment_environment_name=~"production", service_name="adminsessions-lines"} |~ "(?i)x"`
	for name, test := range map[string]struct {
		filter Filter
		want   string
	}{
		"search":  {Filter{Search: "x"}, selector},
		"by user": {Filter{Search: "x", User: "a@b", Session: "s", Hide: adminsessions.User{ID: "1"}}, selector},
		"type":    {Filter{Search: "x", Interfaces: []adminsessions.Type{adminsessions.API}}, selector + ` |~ "^(?:API) [^ ]+ [^ ]+ (?:-|[0-9]+) "`},
		"all": {Filter{Search: "x", Methods: []string{"GET", "PUT"}, StatusClasses: []int{4, 5}, Address: "10.0.0.1"},
			selector + ` |= " 10.0.0.1" |~ "^[^ ]+ (?:GET|PUT) [^ ]+ (?:4..|5..) "`},
		"started": {Filter{Search: "x", Stage: adminsessions.Started}, selector + ` |~ "^[^ ]+ [^ ]+ [^ ]+ started "`},
	} {
		if got := linesQL(scope, test.filter); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
	if got, ok := exactLinesQL(Scope{}, Filter{Search: "x"}); !ok ||
		got != `{audit_lines_of=~".+", service_name="adminsessions-lines"} |~ "(?i)x" |~ "^[^ ]+ [^ ]+ [^ ]+ (?:-|[0-9]+) "` {
		t.Errorf("exactly: %s, %v", got, ok)
	}
}

// TestSentencePattern compares what a pattern says of sentences with what the
// filter chooses by the attributes.
func TestSentencePattern(t *testing.T) {
	var events []adminsessions.Event
	for _, stage := range []adminsessions.Stage{adminsessions.Complete, adminsessions.Started} {
		for _, i := range []adminsessions.Type{adminsessions.Web, adminsessions.API, ""} {
			for _, m := range [][2]string{{"GET", ""}, {"POST", ""}, {"_OTHER", "GET <x"}, {"", ""}} {
				for _, status := range []int{0, 101, 404} {
					for _, address := range []string{"", "10.2.3.4", "10.2.3.45", "fe80::1%a b"} {
						e := adminsessions.Event{Stage: stage, Type: i, Method: m[0], SentMethod: m[1], StatusCode: status,
							URL: "https://panel.example/GET 404 x", Note: "from 10.2.3.4 started"}
						e.ClientAddress, _ = netip.ParseAddr(address)
						events = append(events, e)
						e.User, e.Target = adminsessions.User{ID: "1", FullName: `A "200" B`, Email: "a b@c"}, adminsessions.User{ID: "2"}
						e.URL, e.Note = "", ""
						events = append(events, e)
					}
				}
			}
		}
	}
	var filters []Filter
	for _, stage := range []adminsessions.Stage{"", adminsessions.Started} {
		for _, i := range [][]adminsessions.Type{nil, {adminsessions.Web}} {
			for _, m := range [][]string{nil, {"GET", "PUT"}, {"GET", "_OTHER"}} {
				for _, classes := range [][]int{nil, {1, 4}} {
					for _, address := range []string{"", "10.2.3.4", "fe80::1%a b", ".*"} {
						filters = append(filters, Filter{Stage: stage, Interfaces: i, Methods: m, StatusClasses: classes, Address: address})
					}
				}
			}
		}
	}
	type recorded struct {
		sentence   string
		attributes map[string]string
	}
	all := make([]recorded, len(events))
	for i := range events {
		all[i] = recorded{events[i].Sentence(), make(map[string]string)}
		events[i].WalkAttributes(func(kv attribute.KeyValue) bool {
			all[i].attributes[string(kv.Key)] = kv.Value.String()
			return true
		})
	}
	chosen := make(map[bool]int)
	for _, f := range filters {
		pattern, exact := sentencePattern(f)
		re := regexp.MustCompile(pattern)
		for _, r := range all {
			want, got := chooses(f, r.attributes), re.MatchString(r.sentence) && strings.Contains(r.sentence, addressText(f))
			if want && !got || exact && got && !want {
				t.Errorf("%q matches %s: %v; the filter %+v chooses it: %v", pattern, r.sentence, got, f, want)
			}
			chosen[want]++
		}
	}
	if chosen[true] < 1000 || chosen[false] < 1000 {
		t.Errorf("chosen or not: %v; that shows little", chosen)
	}
}

// chooses is what [logQL] makes Loki do with the attributes.
func chooses(f Filter, attributes map[string]string) bool {
	stage := f.Stage
	if stage == "" {
		stage = adminsessions.Complete
	}
	class := 0
	if s := attributes[adminsessions.KeyStatusCode]; len(s) == 3 {
		class = int(s[0] - '0')
	}
	return attributes[adminsessions.KeyRequestStage] == string(stage) &&
		(len(f.Interfaces) == 0 || slices.Contains(f.Interfaces, adminsessions.Type(attributes[adminsessions.KeyInterface]))) &&
		(len(f.Methods) == 0 || slices.Contains(f.Methods, attributes[adminsessions.KeyMethod])) &&
		(len(f.StatusClasses) == 0 || slices.Contains(f.StatusClasses, class)) &&
		(f.Address == "" || f.Address == attributes[adminsessions.KeyClientAddress])
}

func TestWhatSentencesDoNotTell(t *testing.T) {
	for _, f := range []Filter{{User: "x"}, {Address: "::1"}, {Session: "x"}, {Hide: adminsessions.User{ID: "1"}}, {RequestIDs: []string{"x"}}, {Stage: adminsessions.Started}} {
		if _, ok := exactLinesQL(Scope{}, f); ok {
			t.Errorf("%+v: the lines are said to tell", f)
		}
	}
}

func TestByLines(t *testing.T) {
	since := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	s := Store{LinesSince: since}
	search := Filter{Search: "x"}
	at := since.UnixNano()
	wide := 16 * int64(time.Hour)
	for name, test := range map[string]struct {
		store   Store
		filter  Filter
		forward bool
		slice   span
		part    span
		lines   bool
	}{
		"later":           {s, search, false, span{at, at + wide}, span{at, at + wide}, true},
		"earlier":         {s, search, false, span{at - wide, at}, span{at - wide, at}, false},
		"backward across": {s, search, false, span{at - 1, at + wide}, span{at, at + wide}, true},
		"forward across":  {s, search, true, span{at - wide, at + 1}, span{at - wide, at}, false},
		"narrow":          {s, search, false, span{at, at + wide/4}, span{at, at + wide/4}, false},
		"no search":       {s, Filter{User: "x"}, false, span{at, at + wide}, span{at, at + wide}, false},
		"no lines":        {Store{}, search, false, span{at, at + wide}, span{at, at + wide}, false},
	} {
		part, lines := test.store.byLines(&Walk{Filter: test.filter, Forward: test.forward}, test.slice)
		if part != test.part || lines != test.lines {
			t.Errorf("%s: %v, %v; want %v, %v", name, part, lines, test.part, test.lines)
		}
	}
}

func TestGrow(t *testing.T) {
	for name, test := range map[string]struct {
		times []int64
		want  []span
	}{
		"backward": {[]int64{50, 50, 45, 30, 20, 9}, []span{{45, 51}, {20, 31}, {9, 10}}},
		"forward":  {[]int64{9, 20, 30, 45, 50, 50}, []span{{9, 10}, {20, 31}, {45, 51}}},
	} {
		var got []span
		for _, n := range test.times {
			got = grow(got, n, 10)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
