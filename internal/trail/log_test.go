package trail

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// logServer answers questions about one stream of lines as Loki does, each at a
// time in nanoseconds. fail, unless nil, may refuse one.
func logServer(t *testing.T, at map[string]int64, fail func(q map[string]string) int) *Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := map[string]string{}
		for k := range r.URL.Query() {
			q[k] = r.URL.Query().Get(k)
		}
		if fail != nil {
			if status := fail(q); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		from, _ := strconv.ParseInt(q["start"], 10, 64)
		to, _ := strconv.ParseInt(q["end"], 10, 64)
		limit, _ := strconv.Atoi(q["limit"])
		values := [][2]string{}
		for line, nanos := range at {
			if nanos >= from && nanos < to {
				values = append(values, [2]string{strconv.FormatInt(nanos, 10), line})
			}
		}
		slices.SortFunc(values, func(a, b [2]string) int {
			if q["direction"] == "backward" {
				a, b = b, a
			}
			return cmp.Compare(a[0], b[0])
		})
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"resultType": "streams", "result": []any{
			map[string]any{"stream": map[string]string{labelLog: "a"}, "values": values[:min(limit, len(values))]},
		}}})
	}))
	t.Cleanup(server.Close)
	client, err := loki.New(adminsessions.Loki{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return New(client, Config{Now: time.Now}).Within(Scope{All: true})
}

// However a log is asked for, forward or backward, in answers and slices of any
// size, with many entries at one nanosecond: every entry comes once, in order.
func TestReadLog(t *testing.T) {
	began := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	at := map[string]int64{}
	for i := range 200 {
		at[fmt.Sprintf("line %03d", i)] = began.Add(time.Duration(i/3) * 7 * time.Minute).UnixNano()
	}
	s := logServer(t, at, nil)
	w := Window{began, began.Add(48 * time.Hour)}
	for _, backward := range []bool{false, true} {
		for _, batch := range []int{4, 5, 7, 100, 0} {
			for _, slice := range []time.Duration{40 * time.Minute, 5 * time.Hour, 0} {
				var lines []string
				last := int64(0)
				for e, err := range s.ReadLog(t.Context(), LogRead{ID: "a", Window: w, Backward: backward, Batch: batch, Slice: slice}) {
					if err != nil {
						t.Fatal(err)
					}
					if last != 0 && (e.Nanos > last) == backward && e.Nanos != last {
						t.Fatalf("%d after %d, backward %v", e.Nanos, last, backward)
					}
					last = e.Nanos
					lines = append(lines, e.Line)
				}
				slices.Sort(lines)
				if n := len(lines); n != len(at) || len(slices.Compact(lines)) != n {
					t.Errorf("backward %v, %d at a time, in %s: %d lines, want %d", backward, batch, slice, n, len(at))
				}
			}
		}
	}
}

// A Loki that is away for a moment, or has too much to do for a long question, is
// asked again; one that refuses is not.
func TestReadLogFromALokiThatIsNotWell(t *testing.T) {
	began := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	at := map[string]int64{"one": began.UnixNano(), "two": began.Add(20 * time.Hour).UnixNano()}
	read := func(s *Store) (lines []string, err error) {
		for e, err := range s.ReadLog(t.Context(), LogRead{ID: "a", Window: Window{began, began.Add(24 * time.Hour)}}) {
			if err != nil {
				return lines, err
			}
			lines = append(lines, e.Line)
		}
		return lines, nil
	}
	var asked atomic.Int64
	if lines, err := read(logServer(t, at, func(map[string]string) int {
		if asked.Add(1) == 2 {
			return http.StatusServiceUnavailable
		}
		return 0
	})); err != nil || len(lines) != 2 {
		t.Errorf("away for a moment: %q, %v", lines, err)
	}
	if lines, err := read(logServer(t, at, func(q map[string]string) int {
		from, _ := strconv.ParseInt(q["start"], 10, 64)
		to, _ := strconv.ParseInt(q["end"], 10, 64)
		if to-from > int64(3*time.Hour) {
			return http.StatusTooManyRequests
		}
		return 0
	})); err != nil || len(lines) != 2 {
		t.Errorf("long questions are refused: %q, %v", lines, err)
	}
	asked.Store(0)
	if _, err := read(logServer(t, at, func(map[string]string) int { asked.Add(1); return http.StatusForbidden })); err == nil || asked.Load() != 1 {
		t.Errorf("refused: %v, asked %d times", err, asked.Load())
	}
}

func TestFindLogs(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	windows := 0
	found, err := FindLogs(t.Context(), lister(func(w Window) []map[string]string {
		windows++
		if w.Length() > 30*24*time.Hour {
			t.Errorf("%s is longer than Loki answers for", w.Length())
		}
		if w.From.Before(now.Add(-50 * 24 * time.Hour)) {
			return nil
		}
		return []map[string]string{{labelLog: "a", labelService: "panel", "service_instance_id": fmt.Sprint("host-", windows)}}
	}), Window{now.Add(-100 * 24 * time.Hour), now})
	if err != nil || windows != 4 || len(found) != 1 {
		t.Fatal(found, windows, err)
	}
	if f := found["a"]; !f.Services["panel"] || len(f.Instances) != 1 || !strings.HasPrefix(f.Since.Format(time.DateOnly), "2026-10-02") {
		t.Errorf("%+v", f)
	}
}

type lister func(Window) []map[string]string

func (l lister) Logs(_ context.Context, w Window) ([]map[string]string, error) { return l(w), nil }

// Whatever says that it is Loki, reading a log comes to an end.
func TestReadLogOfWhatLies(t *testing.T) {
	for name, at := range map[string]time.Duration{"before": -time.Hour, "behind": 2 * time.Hour} {
		for _, backward := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", backward ", backward), func(t *testing.T) {
				began := time.Now().Add(-24 * time.Hour)
				values := make([][2]string, MaxBatch)
				for i := range values {
					values[i] = [2]string{strconv.FormatInt(began.Add(at).UnixNano()+int64(i), 10), "x"}
				}
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"resultType": "streams", "result": []any{
						map[string]any{"stream": map[string]string{labelLog: "a"}, "values": values},
					}}})
				}))
				defer server.Close()
				client, err := loki.New(adminsessions.Loki{URL: server.URL}, nil)
				if err != nil {
					t.Fatal(err)
				}
				store := New(client, Config{Now: time.Now}).Within(Scope{All: true})
				for _, err = range store.ReadLog(t.Context(), LogRead{ID: "a", Window: Window{From: began, To: began.Add(time.Hour)}, Backward: backward}) {
					if err != nil {
						break
					}
				}
				if err == nil || !strings.Contains(err.Error(), "loki has answered a question about") {
					t.Error(err)
				}
			})
		}
	}
}
