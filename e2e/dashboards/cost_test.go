package dashboards_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

var costEvents = flag.Int("events", 5_000_000, "how many events BenchmarkQueryCost puts into Loki, over 30 days")

// BenchmarkQueryCost is what the dashboards cost a Loki with a month of a busy
// panel in it: 5 million events, as recorded, over 30 days. Each operation is
// what a browser asks for when somebody opens a page, all panels at once.
//
//	go test -run '^$' -bench QueryCost -benchtime 5x -timeout 1h ./dashboards
//
// Filling Loki takes minutes and some 2 GB of disk; -args -events 100000 is a
// quick look. docs/dashboards.md has the figures.
func BenchmarkQueryCost(b *testing.B) {
	loki := lokitest.Start(b)
	to := time.Now().Truncate(time.Second)
	began := time.Now()
	fill(b, loki, to, *costEvents)
	b.Logf("%d events in %s; each cost Loki %.1f µs of CPU until it was flushed, and %.0f bytes of disk",
		*costEvents, time.Since(began).Round(time.Second), float64(loki.CPUTime().Microseconds())/float64(*costEvents),
		float64(size(b, filepath.Join(loki.DataDir(), "chunks")))/float64(*costEvents))
	all := loadDashboards(b)

	const month = 30 * day
	table := all[sessions].queries[2].panel
	type page struct {
		name   string
		file   string
		window time.Duration
		vars   variables
		only   string // a panel, "" for all
	}
	pages := []page{
		{"Admin Sessions/24 h", sessions, day, nil, ""},
		{"Admin Sessions/24 h, search for a name", sessions, day, variables{"search": one("anna k")}, ""},
		{"Admin Sessions/24 h, one admin, deletions", sessions, day, variables{"admin": one("admin-07@example.com"), "method": one("DELETE")}, ""},
		{"Admin Sessions table/30 d", sessions, month, nil, table},
		{"Admin Sessions table/30 d, search for a name", sessions, month, variables{"search": one("anna k")}, table},
		{"Admin Sessions table/30 d, search for one event", sessions, month, variables{"search": one("needle-in-the-haystack")}, table},
		{"Admin Sessions table/30 d, search for nothing there", sessions, month, variables{"search": one("no such text")}, table},
		{"Admin Sessions/30 d, search for one event", sessions, month, variables{"search": one("needle-in-the-haystack")}, ""},
		{"Admin Sessions/30 d", sessions, month, nil, ""},
		{"Phone/24 h", "phone.json", day, nil, ""},
		{"Activity/24 h", "activity.json", day, nil, ""},
		{"One admin/24 h", "admin.json", day, variables{"admin": one("admin-07@example.com")}, ""},
		{"One request/24 h", "event.json", day, variables{"request": one("no-such-request"), "session": one("no-such-session")}, ""},
		{"Completeness/24 h", "pipeline.json", day, nil, "Trail by log"},
		{"Completeness/30 d", "pipeline.json", month, nil, "Trail by log"},
	}
	for _, page := range pages {
		b.Run(page.name, func(b *testing.B) {
			vars := all[page.file].vars
			for name, v := range page.vars {
				vars = vars.with(name, v)
			}
			busy := loki.CPUTime()
			for b.Loop() {
				var wait sync.WaitGroup
				for _, q := range all[page.file].queries {
					// What reads 30 days back stands in a row that is closed.
					closed := strings.Contains(q.expr, "[30d]") || strings.Contains(q.panel, "hour of the week")
					if page.only != "" && page.only != q.panel || page.only == "" && closed {
						continue
					}
					wait.Go(func() {
						if err := ask(b.Context(), loki, q.filledIn(b, vars), q, to, page.window); err != nil {
							b.Error(err)
						}
					})
				}
				wait.Wait()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/page")
			b.ReportMetric((loki.CPUTime()-busy).Seconds()/float64(b.N), "cpu-s/page")
		})
	}
	for name, r := range grafanaRules(b) {
		b.Run("Rule/"+name, func(b *testing.B) {
			busy := loki.CPUTime()
			for b.Loop() {
				if _, err := loki.Instant(b.Context(), r.expr, to); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/evaluation")
			b.ReportMetric((loki.CPUTime()-busy).Seconds()/float64(b.N), "cpu-s/evaluation")
		})
	}
}

// ask makes one request of Grafana's Loki data source.
func ask(ctx context.Context, loki *lokitest.Server, expr string, q query, to time.Time, window time.Duration) error {
	const points = 120
	step := max(window/points, time.Second)
	expr = ranged(expr, fmt.Sprintf("%.0fs", window.Seconds()), fmt.Sprintf("%.0fs", step.Seconds()))
	path, params := "/loki/api/v1/query_range", url.Values{
		"query": {expr}, "direction": {"backward"}, "limit": {strconv.Itoa(cmp.Or(q.limit, 1000))},
		"start": {strconv.FormatInt(to.Add(-window).UnixNano(), 10)}, "end": {strconv.FormatInt(to.UnixNano(), 10)},
		"step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}
	if q.instant {
		path, params = "/loki/api/v1/query", url.Values{"query": {expr}, "time": {strconv.FormatInt(to.UnixNano(), 10)}}
	}
	if err := loki.Get(ctx, path, params, &json.RawMessage{}); err != nil {
		return fmt.Errorf("%s: %w", q.name(), err)
	}
	return nil
}

// fill puts events of 30 days into Loki: two instances, 40 administrators,
// and one event that a search is for.
func fill(b *testing.B, loki *lokitest.Server, to time.Time, count int) {
	b.Helper()
	type route struct{ method, path string }
	var routes []route
	for line := range strings.Lines(string(readFile(b, "examples/adminpanel/routes.tsv"))) {
		if fields := strings.Fields(line); len(fields) == 3 && !strings.HasPrefix(line, "#") {
			routes = append(routes, route{fields[0], fields[2]})
		}
	}
	if len(routes) < 100 {
		b.Fatalf("%d routes", len(routes))
	}
	names := []string{"Anna Kowalska", "Rory O'Neil", "Demo Admin", "Żaneta Łęcka"}
	random := rand.New(rand.NewPCG(3, 4))
	statuses := []int{200, 200, 200, 200, 200, 200, 200, 201, 204, 302, 304, 404, 403, 500}
	const instances = 2
	batches := make([][]event, instances)
	from := to.Add(-30 * day)
	for i := range count {
		at := from.Add(time.Duration(float64(30*day) * float64(i) / float64(count)))
		r := routes[random.IntN(len(routes))]
		n := random.IntN(40)
		instance := random.IntN(instances)
		path := strings.NewReplacer("{uuid}", fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), random.Uint32()), "{id}", strconv.Itoa(random.IntN(9000))).Replace(r.path)
		if i == count/3 {
			path = "/admin/needle-in-the-haystack"
		}
		which := adminsessions.Web
		if strings.HasPrefix(r.path, "/admin/api") {
			which = adminsessions.API
		}
		batches[instance] = append(batches[instance], event{
			service: "panel", environment: "production", instance: "panel-" + strconv.Itoa(instance),
			log: fmt.Sprintf("%032x", instance+1),
			Event: adminsessions.Event{
				Time: at, Stage: adminsessions.Complete, Type: which, Method: r.method,
				User:          adminsessions.User{ID: strconv.Itoa(n), FullName: names[n%4] + " " + strconv.Itoa(n), Email: fmt.Sprintf("admin-%02d@example.com", n)},
				ClientAddress: netip.AddrFrom4([4]byte{10, 2, byte(n), byte(random.IntN(3))}),
				URL:           "https://panel.example" + path, Route: r.path, StatusCode: statuses[random.IntN(len(statuses))],
				Duration: time.Duration(random.ExpFloat64() * float64(20*time.Millisecond)), UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
				SessionID: fmt.Sprintf("%032x", n*31+at.YearDay()), RequestID: fmt.Sprintf("%016x", random.Uint64()),
			},
		})
		if len(batches[instance]) == 2000 {
			store(b, loki, batches[instance])
			batches[instance] = batches[instance][:0]
		}
	}
	for _, batch := range batches {
		store(b, loki, batch)
	}
	if err := loki.FlushAndForget(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// size is how many bytes the files in a folder have.
func size(b *testing.B, dir string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
