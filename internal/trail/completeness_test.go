package trail

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// numbersLoki is a Loki with a limit on series that answers questions about the
// numbers of logs, and counts. Each log has the numbers 1 to 10.
type numbersLoki struct {
	logs      []string
	maxSeries int
	partial   bool // beyond the limit, it answers with a part and a warning
	// change, if any, is made to an answer, of which only the series are left. n
	// counts the questions of its kind.
	change func(kind string, n int, series []string) (changed []string, warnings string)

	mu    sync.Mutex
	asked []string
	kinds map[string]int
}

var (
	idMatcher   = regexp.MustCompile(`audit_log_id(=~|!~)"([^"]*)"`)
	numberKinds = map[string]string{"min_over_time": "1", "max_over_time": "10", "sum by": "10", "sum (": "0"}
)

func (f *numbersLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.HasSuffix(r.URL.Path, "/query") {
		_ = json.NewEncoder(w).Encode(map[string]any{"data": f.logs})
		return
	}
	query := r.URL.Query().Get("query")
	f.asked = append(f.asked, query)
	kind := ""
	for k := range numberKinds {
		if strings.HasPrefix(query, k) {
			kind = k
		}
	}
	var chosen []string
	chooses := matcher(query)
	for _, log := range f.logs {
		if chooses(log) {
			chosen = append(chosen, log)
		}
	}
	value := numberKinds[kind]
	if kind == "sum (" {
		value, chosen = fmt.Sprint(10*len(chosen)), []string{""}
	}
	f.kinds[kind]++
	warnings := "[]"
	if f.change != nil {
		chosen, warnings = f.change(kind, f.kinds[kind], chosen)
	}
	if len(chosen) > f.maxSeries && f.partial {
		chosen = chosen[:f.maxSeries]
		warnings = fmt.Sprintf(`["maximum number of series (%d) reached for a single query; returning partial results"]`, f.maxSeries)
	}
	if len(chosen) > f.maxSeries {
		http.Error(w, fmt.Sprintf("maximum number of series (%d) reached for a single query; consider …", f.maxSeries), http.StatusBadRequest)
		return
	}
	samples := make([]string, len(chosen))
	for i, log := range chosen {
		samples[i] = fmt.Sprintf(`{"metric":{"service_name":"panel","audit_log_id":%q},"value":[0,%q]}`, log, value)
	}
	fmt.Fprintf(w, `{"warnings":%s,"data":{"resultType":"vector","result":[%s]}}`, warnings, strings.Join(samples, ","))
}

// matcher reports whether a log meets the query's matchers. Loki anchors them.
func matcher(query string) func(log string) bool {
	found := idMatcher.FindAllStringSubmatch(query, -1)
	expressions := make([]*regexp.Regexp, len(found))
	for i, m := range found {
		expressions[i] = regexp.MustCompile("^(?:" + m[2] + ")$")
	}
	return func(log string) bool {
		for i, m := range found {
			if expressions[i].MatchString(log) != (m[1] == "=~") {
				return false
			}
		}
		return true
	}
}

func (f *numbersLoki) store(t *testing.T) (*Store, Window) {
	t.Helper()
	f.kinds = make(map[string]int)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := loki.New(adminsessions.Loki{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	return New(client, Config{Now: func() time.Time { return now }}).Within(Scope{All: true}), Window{now.Add(-time.Hour), now}
}

// ids are n ids of logs, spread evenly over how they can begin.
func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%08x", uint64(i)<<32/uint64(n))
	}
	return list
}

// TestNumbersInParts has a limit on series, beyond which Loki refuses, or answers
// with a part: every log is told of, once.
func TestNumbersInParts(t *testing.T) {
	for name, test := range map[string]struct {
		logs      []string
		maxSeries int
		asked     int // 0: refused
	}{
		"none":                         {nil, 10, 3},
		"as many as the limit":         {ids(10), 10, 3},
		"one more":                     {ids(11), 10, 1 + 17*3},
		"as many as 16 parts hold":     {ids(160), 10, 1 + 17*3},
		"one part has one more":        {append(ids(160), "7fffffff"), 10, 1 + 16*3 + (1 + 17*3)},
		"all parts have":               {ids(176), 10, 1 + 3 + 16*(1+17*3)},
		"as many as 256 parts hold":    {ids(512), 2, 1 + 3 + 16*(1+17*3)},
		"more":                         {ids(768), 2, 0},
		"ids that no exporter gives":   {append(ids(160), "", "A", "x1", "0", "0g", "ü", "7\n"), 17, 1 + 17*3},
		"too many of those, 1st digit": {append(ids(160), "A", "B", "C", "D"), 3, 0},
		"too many of those, 2nd digit": {[]string{"0", "0x", "0y", "0z"}, 3, 0},
	} {
		both(t, name, func(t *testing.T, partial bool) {
			f := &numbersLoki{logs: test.logs, maxSeries: test.maxSeries, partial: partial}
			s, w := f.store(t)
			got, err := s.Numbers(t.Context(), w)
			if test.asked == 0 {
				if failed, ok := errors.AsType[*loki.Error](err); !ok || failed.Kind != loki.TooBroad || got != nil {
					t.Errorf("%d logs, %v; want Loki's refusal", len(got), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, n := range got {
				names = append(names, n.Log)
				if n.Service != "panel" || n.First != 1 || n.Last != 10 || n.Events != 10 || n.Missing() != 0 {
					t.Errorf("%+v", n)
				}
			}
			if want := slices.Sorted(slices.Values(test.logs)); !slices.Equal(names, want) {
				t.Errorf("told of %q, want %q", names, want)
			}
			if len(f.asked) != test.asked {
				t.Errorf("asked %d times, want %d: %q", len(f.asked), test.asked, f.asked)
			}
		})
	}
}

// both runs a test with a Loki that refuses what is over its limit, and one that
// answers with a part.
func both(t *testing.T, name string, f func(t *testing.T, partial bool)) {
	t.Helper()
	t.Run(name+", refused", func(t *testing.T) { f(t, false) })
	t.Run(name+", in part", func(t *testing.T) { f(t, true) })
}

// TestNumbersOfOtherRefusals asks no 16 questions of a Loki that has too much to do.
func TestNumbersOfOtherRefusals(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		http.Error(w, "too many outstanding requests", http.StatusTooManyRequests)
	}))
	defer server.Close()
	client, err := loki.New(adminsessions.Loki{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Millisecond)
	s := New(client, Config{Now: time.Now}).Within(Scope{All: true})
	if got, err := s.Numbers(t.Context(), Window{now.Add(-time.Hour), now}); err == nil || got != nil || asked != 1 {
		t.Errorf("%v, %v, asked %d times", got, err, asked)
	}
}

// TestNumbersNotWhole has answers that lack logs or come with a warning: none
// passes as complete.
func TestNumbersNotWhole(t *testing.T) {
	without := func(kinds ...string) func(string, []string) ([]string, string) {
		return func(kind string, series []string) ([]string, string) {
			if slices.Contains(kinds, kind) {
				return series[1:], "[]"
			}
			return series, "[]"
		}
	}
	for name, change := range map[string]func(string, []string) ([]string, string){
		"min lacks a log":  without("min_over_time"),
		"max does":         without("max_over_time"),
		"count does":       without("sum by"),
		"min and max do":   without("min_over_time", "max_over_time"),
		"min and count do": without("min_over_time", "sum by"),
		"max and count do": without("max_over_time", "sum by"),
		"min and max lack another": func(kind string, series []string) ([]string, string) {
			switch kind {
			case "min_over_time":
				return series[1:], "[]"
			case "max_over_time":
				return series[:2], "[]"
			}
			return series, "[]"
		},
		"max is empty": func(kind string, series []string) ([]string, string) {
			if kind == "max_over_time" {
				return nil, "[]"
			}
			return series, "[]"
		},
		"a warning": func(kind string, series []string) ([]string, string) {
			if kind == "max_over_time" {
				return series, `["a querier did not answer"]`
			}
			return series, "[]"
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &numbersLoki{logs: []string{"a0", "b0", "c0"}, maxSeries: 10}
			s, w := f.store(t)
			f.change = func(kind string, _ int, series []string) ([]string, string) {
				return change(kind, series)
			}
			got, err := s.Numbers(t.Context(), w)
			failed, ok := errors.AsType[*loki.Error](err)
			if !ok || failed.Kind != loki.Unavailable || got != nil || len(f.asked) != 6 {
				t.Errorf("%+v, %v, asked %d times; want an error after the second time", got, err, len(f.asked))
			}

			// What is whole when it is asked for again is taken.
			f.asked, f.kinds = nil, make(map[string]int)
			f.change = func(kind string, n int, series []string) ([]string, string) {
				if n > 1 {
					return series, "[]"
				}
				return change(kind, series)
			}
			got, err = s.Numbers(t.Context(), w)
			if err != nil || len(got) != 3 || len(f.asked) != 6 {
				t.Errorf("%+v, %v, asked %d times; want three logs the second time", got, err, len(f.asked))
			}
		})
	}
}

// TestCountOfManyLogs counts more logs than Loki puts into one answer.
func TestCountOfManyLogs(t *testing.T) {
	both(t, "100 logs", func(t *testing.T, partial bool) {
		f := &numbersLoki{logs: ids(100), maxSeries: 10, partial: partial}
		s, w := f.store(t)
		for _, asked := range []int{2, 1} { // the second time it is known
			f.asked = nil
			n, err := s.Count(t.Context(), Filter{}, w)
			if n != (Count{N: 1000}) || err != nil || len(f.asked) != asked {
				t.Errorf("%+v, %v, asked %d times; want 1000, %d", n, err, len(f.asked), asked)
			}
		}
	})
}
