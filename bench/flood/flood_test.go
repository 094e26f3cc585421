package flood

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

type scenario struct {
	name        string
	connections int
	sources     int   // addresses of the flood
	limit       int64 // of the spool; 0 for the default
	away        bool  // Loki is stopped while the flood lasts
}

var scenarios = []scenario{
	{"1 connection", 1, 1, 0, false},
	{"1 connection, Loki away", 1, 1, 0, true},
	{"4 connections", 4, 1, 0, false},
	{"4 connections, Loki away", 4, 1, 0, true},
	{"4 connections, spool of 8 MiB", 4, 1, 8 << 20, false},
	{"4 connections, spool of 8 MiB, Loki away", 4, 1, 8 << 20, true},
	{"4 connections, 10,000 addresses, spool of 8 MiB, Loki away", 4, 10_000, 8 << 20, true},
}

// outcome is what one flood has done.
type outcome struct {
	requests       int64 // of the flood
	rate           float64
	quiet, flooded quantiles // as administrators see it
	panel          panelStats
}

// flood lets administrators work alone, and then while a flood lasts.
func flood(b testing.TB, p *panelProcess, s scenario, quiet, lasts time.Duration) outcome {
	var o outcome
	alone := startAdministrators(b, p.address, "quiet")
	<-time.After(quiet)
	o.quiet = alone.end()

	f, admins := startFlood(b, p.address, s.connections, s.sources), startAdministrators(b, p.address, "flood")
	start := time.Now()
	<-time.After(lasts)
	o.flooded = admins.end()
	o.requests = f.end()
	o.rate = float64(o.requests) / time.Since(start).Seconds()
	o.panel = p.end()
	if o.panel.Anonymous != o.requests || o.panel.Admin != int64(o.quiet.N+o.flooded.N) {
		b.Errorf("%s: served %d and %d, asked %d and %d", s.name, o.panel.Anonymous, o.panel.Admin, o.requests, o.quiet.N+o.flooded.N)
	}
	return o
}

// recorded is what Loki has of a panel's events.
type recorded struct {
	admin, adminTwice      int
	alone, folded, records int // anonymous: recorded alone; folded, in so many records
	missing                int // numbers
}

func readBack(b testing.TB, loki *lokitest.Server, instance string) recorded {
	b.Helper()
	entries, err := loki.Query(b.Context(), fmt.Sprintf(`{service_name=%q, service_instance_id=%q}`, serviceName, instance), lokitest.Last(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	var r recorded
	admins, numbers := map[string]bool{}, map[uint64]bool{}
	var highest uint64
	for _, entry := range entries {
		e, err := adminsessions.ParseLine(entry.Line)
		if err != nil {
			b.Fatalf("%v: %s", err, entry.Line)
		}
		numbers[e.Sequence] = true
		highest = max(highest, e.Sequence)
		switch {
		case e.Type == adminsessions.Trail: // is nobody's request
		case !e.Anonymous():
			if admins[e.URL] {
				r.adminTwice++
			}
			admins[e.URL] = true
		case e.Count == 0:
			r.alone++
		default:
			r.folded += e.Count
			r.records++
		}
	}
	r.admin = len(admins)
	r.missing = int(highest) - len(numbers)
	return r
}

// record floods a panel that records, and fails if an administrator's event is
// lost or the records do not stand for all anonymous requests.
func record(b testing.TB, loki *lokitest.Server, s scenario, instance string, quiet, lasts time.Duration) (o outcome, r recorded, lost int) {
	c := panelConfig{Record: true, Loki: loki.URL(), SpoolDir: b.TempDir(), SpoolLimit: s.limit, Instance: instance}
	if s.away {
		loki.Stop()
		c.Deliver = 10 * time.Second
	}
	o = flood(b, startPanel(b, c), s, quiet, lasts)
	if s.away {
		loki.Restart()
		c.Deliver = time.Minute
		startPanel(b, c).end() // delivers what the first one has left
	}
	r = readBack(b, loki, instance)
	lost = int(o.panel.Admin) - r.admin
	if lost != 0 || r.adminTwice != 0 || r.alone+r.folded != int(o.requests) || r.missing != 0 {
		b.Errorf("%s: %d administrators' events lost, %d twice; records stand for %d of %d anonymous requests; %d numbers missing",
			s.name, lost, r.adminTwice, r.alone+r.folded, o.requests, r.missing)
	}
	if limit := s.limit; limit > 0 && o.panel.PeakSpool > limit || o.panel.PeakHeap > 64<<20 {
		b.Errorf("%s: the spool took %d bytes, the heap %d", s.name, o.panel.PeakSpool, o.panel.PeakHeap)
	}
	return o, r, lost
}

// TestFlood is the gravest case of the benchmark, for two seconds.
func TestFlood(t *testing.T) {
	for _, s := range scenarios[len(scenarios)-2:] {
		t.Run(s.name, func(t *testing.T) {
			loki := lokitest.Start(t)
			_, r, _ := record(t, loki, s, "flood-test", time.Second, 2*time.Second)
			if r.records == 0 || r.records+r.alone > 2000 {
				t.Errorf("%d records of requests and %d of folded ones", r.alone, r.records)
			}
		})
	}
}

func BenchmarkFlood(b *testing.B) {
	only, err := regexp.Compile(*onlyFlag)
	if err != nil {
		b.Fatal(err)
	}
	loki := lokitest.Start(b)
	turn := 0
	for b.Loop() {
		turn++
		var kept, waits [][]string
		for i, s := range scenarios {
			if !only.MatchString(s.name) {
				continue
			}
			instance := fmt.Sprintf("flood-%d-%d", turn, i)
			bare := flood(b, startPanel(b, panelConfig{}), s, *quietFlag, *lastsFlag)
			o, r, lost := record(b, loki, s, instance, *quietFlag, *lastsFlag)
			kept = append(kept, []string{
				s.name, count(o.requests), fmt.Sprintf("%.0f", o.rate), count(o.panel.Admin), count(int64(lost)),
				count(int64(r.alone)), count(int64(r.folded)), count(int64(r.records)),
				mib(o.panel.PeakSpool), mib(o.panel.PeakHeap), mib(bare.panel.PeakHeap),
			})
			waits = append(waits, []string{
				s.name, ms(o.quiet), ms(bare.flooded), ms(o.flooded), us(o.panel.Quiet), us(bare.panel.Flood), us(o.panel.Flood),
				us(o.panel.Undisturbed), fmt.Sprintf("%.1f", 100-100*float64(o.panel.Undisturbed.N)/float64(o.panel.Flood.N)),
				fmt.Sprintf("%.0f", bare.rate), fmt.Sprintf("%.0f", o.rate),
			})
		}
		table(b, "what is kept", []string{"flood", "requests", "a second", "administrators' requests", "lost", "anonymous, recorded alone", "folded", "into records", "peak spool MiB", "peak heap MiB", "heap of a panel that records nothing"}, kept)
		table(b, "what an administrator waits, p50 / p99 / most", []string{"flood", "no flood, ms", "flood, nothing recorded, ms", "flood, recorded, ms", "in the panel: no flood, µs", "flood, nothing recorded, µs", "flood, recorded, µs", "of them not interrupted, µs", "interrupted, %", "requests/s, nothing recorded", "requests/s, recorded"}, waits)
	}
	b.ReportMetric(0, "ns/op")
}

// table prints rows as Markdown, ready for docs/benchmarks.md.
func table(b *testing.B, title string, head []string, rows [][]string) {
	b.Helper()
	var t strings.Builder
	line := func(cells []string) { fmt.Fprintf(&t, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(append([]string{"---"}, strings.Split(strings.Repeat("---: ", len(head)-1), " ")[:len(head)-1]...))
	for _, r := range rows {
		line(r)
	}
	b.Logf("%s\n%s", title, t.String())
}

func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

func ms(q quantiles) string {
	f := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("%.2f / %.2f / %.1f", f(q.P50), f(q.P99), f(q.Max))
}

func us(q quantiles) string {
	return fmt.Sprintf("%d / %d / %d", q.P50.Microseconds(), q.P99.Microseconds(), q.Max.Microseconds())
}
