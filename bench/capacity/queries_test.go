package capacity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// BenchmarkQueries is what questions cost about a trail of a fleet, in the store: a
// chunk a panel and day.
func BenchmarkQueries(b *testing.B) {
	for _, panels := range fleets(b) {
		b.Run(fmt.Sprintf("panels=%d", panels), func(b *testing.B) {
			dir, to := filled(b, panels)
			for _, shipped := range []bool{false, true} {
				limits := "raised"
				opts := []lokitest.Option{lokitest.WithDataDir(dir)}
				if shipped {
					limits = "shipped"
				} else {
					opts = append(opts, raised())
				}
				b.Run("limits="+limits, func(b *testing.B) {
					s := start(b, opts...)
					for _, q := range questions(b, s) {
						if shipped && !q.limited {
							continue
						}
						for i, days := range []float64{1. / 24, 1, float64(*daysFlag)} {
							if q.whole && i != 1 || i == 2 && days == 1 {
								continue
							}
							b.Run(fmt.Sprintf("%s/%.4gd", q.name, days), func(b *testing.B) {
								q.measure(b, s, trail.Window{From: to.Add(-time.Duration(days * float64(day))), To: to})
							})
						}
					}
				})
			}
		})
	}
}

// filled is the data of a Loki with the trail in it, up to a time. It is kept in the
// folder -data, if that is set, and found there again.
func filled(b *testing.B, panels int) (dir string, to time.Time) {
	b.Helper()
	to = time.Now().Truncate(time.Millisecond)
	if *dataFlag == "" {
		dir = b.TempDir()
		store(b, dir, panels, *daysFlag, *eventsFlag, to)
		return dir, to
	}
	dir = filepath.Join(*dataFlag, fmt.Sprintf("%d-panels-%d-days-%d-events", panels, *daysFlag, *eventsFlag))
	until := filepath.Join(dir, "until")
	switch text, err := os.ReadFile(until); {
	case err == nil:
		if to, err = time.Parse(time.RFC3339Nano, string(text)); err != nil {
			b.Fatal(err)
		}
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.Fatal(err)
		}
		store(b, dir, panels, *daysFlag, *eventsFlag, to)
		if err := os.WriteFile(until, []byte(to.Format(time.RFC3339Nano)), 0o600); err != nil {
			b.Fatal(err)
		}
	default:
		b.Fatal(err)
	}
	return dir, to
}

func TestQueries(t *testing.T) {
	dir, to := t.TempDir(), time.Now().Truncate(time.Millisecond)
	store(t, dir, 20, 2, 24, to)
	s := start(t, raised(), lokitest.WithDataDir(dir))
	for _, q := range questions(t, s) {
		found, err := q.ask(t.Context(), trail.Window{From: to.Add(-day), To: to})
		if err != nil || (found == 0) != q.none {
			t.Errorf("%s: %d, %v", q.name, found, err)
		}
	}
}

// store makes Loki's data: events of so many days, flushed day by day.
func store(t testing.TB, dir string, panels, days, events int, to time.Time) {
	t.Helper()
	s := start(t, raised(), lokitest.WithDataDir(dir))
	f := newFleet(t, s.URL(), panels)
	began := time.Now()
	for d := days; d > 0; d-- {
		from := to.Add(-time.Duration(d) * day)
		if err := f.fill(t.Context(), events, from, from.Add(day)); err != nil {
			t.Fatal(err)
		}
		s.flush(t.Context())
	}
	cpu := s.CPUTime()
	s.Stop() // the index is uploaded, and no chunk is in memory when it starts again
	bytes, files, disk := s.size("chunks", isChunk)
	index, _, _ := s.size("chunks", isIndex)
	t.Logf("%d panels, %d days of %d events: %.0f chunks of %.0f B, %.0f MB of disk; index %.0f MB; Loki's CPU time %.0f s, %.0f s by the clock",
		panels, days, events, files, bytes/files, disk/1e6, index/1e6, cpu.Seconds(), time.Since(began).Seconds())
}

// question is one that the page, a dashboard or a rule asks.
type question struct {
	name string
	// ask returns how much was found.
	ask     func(ctx context.Context, w trail.Window) (int, error)
	none    bool // nothing is to be found
	limited bool // a limit of Loki's may refuse it
	whole   bool // only about a day
}

func (q *question) measure(b *testing.B, s *server, w trail.Window) {
	cpu, found := s.CPUTime(), 0
	var err error
	for b.Loop() {
		found, err = q.ask(b.Context(), w)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
	b.ReportMetric((s.CPUTime()-cpu).Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(found), "found")
	b.ReportMetric(s.peak()/1e6, "peak-MB")
	if err != nil {
		b.Logf("refused: %.300s", err)
	}
}

func questions(t testing.TB, s *server) []question {
	t.Helper()
	f := newFleet(t, s.URL(), 0)
	reader := func(services ...string) *trail.Store {
		return trail.New(f.client, trail.Config{Services: services, Now: time.Now}).Within(trail.Scope{All: true})
	}
	walk := func(store *trail.Store, filter trail.Filter, most int) func(context.Context, trail.Window) (int, error) {
		return func(ctx context.Context, w trail.Window) (n int, err error) {
			for _, err = range store.Walk(ctx, trail.Walk{Window: w, Filter: filter, Batch: most}) {
				if err != nil {
					return n, err
				}
				if n++; n == most {
					break
				}
			}
			return n, nil
		}
	}
	numbers := func(store *trail.Store) func(context.Context, trail.Window) (int, error) {
		return func(ctx context.Context, w trail.Window) (int, error) {
			logs, err := store.Numbers(ctx, w)
			return len(logs), err
		}
	}
	all, one := reader(), reader("fleet-07")
	list := []question{
		{name: "page, newest 100", ask: walk(all, trail.Filter{}, 100)},
		{name: "search without a hit", ask: walk(all, trail.Filter{Only: trail.Conditions{Texts: []string{"no such text"}}}, 100), none: true},
		{name: "search without a hit, 1 service of 100", ask: walk(one, trail.Filter{Only: trail.Conditions{Texts: []string{"no such text"}}}, 100), none: true},
		{name: "page, count", limited: true, ask: func(ctx context.Context, w trail.Window) (int, error) {
			// Not one that remembers.
			count, err := reader().Count(ctx, trail.Filter{}, w)
			return int(count.N), err
		}},
		{name: "dashboard, newest 1000", ask: s.lines(`{service_name=~".+"} | pattern "type=<type> method=<method> <_>" | type!="TRAIL"`)},
		{name: "dashboard, over time", ask: s.overTime(`sum by (type) (count_over_time({service_name=~".+"} | pattern "type=<type> method=<method> <_>" | type!="TRAIL" [%s]))`)},
		{name: "completeness", limited: true, ask: numbers(all)},
		{name: "completeness, 1 service of 100", ask: numbers(one)},
		{name: "instances", ask: func(ctx context.Context, w trail.Window) (int, error) {
			values, err := f.client.LabelValues(ctx, "service_instance_id", "", w.From, w.To)
			return len(values), err
		}},
		{name: "logs", ask: func(ctx context.Context, w trail.Window) (int, error) {
			logs, err := all.Logs(ctx, w)
			return len(logs), err
		}},
	}
	for name, expr := range gapRules(t) {
		list = append(list, question{name: "rule " + name, limited: true, none: true, whole: true, ask: func(ctx context.Context, w trail.Window) (int, error) {
			samples, err := s.Instant(ctx, expr, w.To)
			return len(samples), err
		}})
	}
	return list
}

// gapRules are the rules that look at the numbers of every log.
func gapRules(t testing.TB) map[string]string {
	t.Helper()
	all := rules(t)
	for name, expr := range all {
		if !strings.Contains(expr, "unwrap seq") {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		t.Fatal("there is no rule about numbers")
	}
	return all
}

// rules are what the rules for Loki's ruler ask, by their names.
func rules(t testing.TB) map[string]string {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, "dashboards", "alerts", "loki-ruler.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
			}
		}
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r.Expr
		}
	}
	return all
}

// lines asks for the newest 1,000 entries, as a dashboard does.
func (s *server) lines(expr string) func(context.Context, trail.Window) (int, error) {
	return func(ctx context.Context, w trail.Window) (n int, err error) {
		var answer struct {
			Data struct {
				Result []struct{ Values []json.RawMessage }
			}
		}
		err = s.Get(ctx, "/loki/api/v1/query_range", url.Values{
			"query": {expr}, "direction": {"backward"}, "limit": {"1000"},
			"start": {strconv.FormatInt(w.From.UnixNano(), 10)}, "end": {strconv.FormatInt(w.To.UnixNano(), 10)},
		}, &answer)
		for _, stream := range answer.Data.Result {
			n += len(stream.Values)
		}
		return n, err
	}
}

// overTime asks for 120 points of a metric query, as a dashboard does.
func (s *server) overTime(expr string) func(context.Context, trail.Window) (int, error) {
	return func(ctx context.Context, w trail.Window) (n int, err error) {
		step := max(w.Length()/120, time.Second).Truncate(time.Second)
		series, err := s.Series(ctx, fmt.Sprintf(expr, step), lokitest.Range{From: w.From, To: w.To}, step)
		for _, one := range series {
			n += len(one.Points)
		}
		return n, err
	}
}
