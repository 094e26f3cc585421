package collector

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const serviceName = "collector"

var (
	rateFlag   = flag.Int("rate", 1000, "records per second")
	outageFlag = flag.Duration("outage", 20*time.Second, "how long Loki is away")
	onlyFlag   = flag.String("only", "", "run only what \"scenario/peer\" matches this regular expression")
	settleFlag = flag.Duration("settle", 45*time.Second, "what has not come to Loki after so long without anything coming is lost")
)

// around is how long records are sent before and after what happens.
const around = 5 * time.Second

// A scenario happens to the peer, or to Loki, while records are sent.
type scenario struct {
	name  string
	lasts time.Duration
	do    func(r *running, loki *lokitest.Server)
}

func scenarios() []scenario {
	killed := func(r *running) {
		r.kill()
		r.start()
	}
	away := func(r *running, loki *lokitest.Server, meanwhile func(*running)) {
		loki.Stop()
		<-time.After(*outageFlag / 2)
		meanwhile(r)
		<-time.After(*outageFlag / 2)
		loki.Restart()
	}
	return []scenario{
		{"kill -9", 0, func(r *running, _ *lokitest.Server) { killed(r) }},
		{"kill -9, ten times", 10 * time.Second, func(r *running, _ *lokitest.Server) {
			for range 10 {
				killed(r)
				<-time.After(time.Second)
			}
		}},
		{"Loki away", *outageFlag, func(r *running, loki *lokitest.Server) { away(r, loki, func(*running) {}) }},
		{"both", *outageFlag, func(r *running, loki *lokitest.Server) { away(r, loki, killed) }},
	}
}

// BenchmarkLoss counts what was answered with 200 and is not in Loki.
func BenchmarkLoss(b *testing.B) {
	only, err := regexp.Compile(*onlyFlag)
	if err != nil {
		b.Fatal(err)
	}
	all := peers(b)
	turn := 0
	for b.Loop() {
		turn++
		rows := []string{"| | peer | answered | lost | lost % | doubled | sent again |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"}
		for _, s := range scenarios() {
			for i, p := range all {
				if only.MatchString(s.name + "/" + p.name) {
					rows = append(rows, measure(b, s, p, fmt.Sprintf("p%d-%d", i, turn)))
				}
			}
		}
		b.Logf("%d records/s, Loki away for %s\n%s", *rateFlag, *outageFlag, strings.Join(rows, "\n"))
	}
	b.ReportMetric(0, "ns/op")
}

func measure(b *testing.B, s scenario, p peer, instance string) string {
	b.Helper()
	loki := lokitest.Start(b)
	defer loki.Stop()
	r := start(b, p, loki.URL(), instance)
	defer r.kill()
	var was sent
	done := make(chan error, 1)
	go func() {
		var err error
		was, err = send(b.Context(), r.address, instance, *rateFlag, 2*around+s.lasts)
		done <- err
	}()
	<-time.After(around)
	s.do(r, loki)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if was.dropped > 0 {
		b.Errorf("%s, %s: %d records were never answered with 200", s.name, p.name, was.dropped)
	}
	times := settled(b, loki, instance, was.answered)
	lost, doubled := 0, 0
	for id := range was.answered {
		if times[id] == 0 {
			lost++
		}
		doubled += max(0, times[id]-1)
	}
	if strings.HasPrefix(p.name, "adminsessions") && lost+doubled > 0 {
		b.Errorf("%s, %s: %d lost, %d doubled", s.name, p.name, lost, doubled)
	}
	row := fmt.Sprintf("| %s | %s | %d | %d | %.2f | %d | %d |", s.name, p.name, len(was.answered), lost,
		100*float64(lost)/float64(max(1, len(was.answered))), doubled, was.again)
	b.Logf("%s (longest wait for an answer %v)", row, was.waited.Round(time.Millisecond))
	if n := strings.Count(r.log.String(), "Dropping data"); n > 0 {
		b.Logf("%s said %d times that it dropped data", p.name, n)
	}
	return row
}

// settled returns how often each record is in Loki, when all are there or
// nothing has come for long.
func settled(b *testing.B, loki *lokitest.Server, instance string, want map[string]struct{}) map[string]int {
	b.Helper()
	query := fmt.Sprintf(`{service_name=%q, service_instance_id=%q} | pattern "type=<type> <_> request=<request> ms=<_>" | type!="TRAIL" | line_format "{{.request}}"`, serviceName, instance)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	most, since := -1, time.Now()
	for range tick.C {
		entries, err := loki.Query(b.Context(), query, lokitest.Last(time.Hour))
		if err != nil {
			b.Fatal(err)
		}
		times, found := make(map[string]int, len(want)), 0
		for _, e := range entries {
			times[e.Line]++
		}
		for id := range want {
			if times[id] > 0 {
				found++
			}
		}
		if found == len(want) {
			return times
		}
		if len(entries) > most {
			most, since = len(entries), time.Now()
		}
		if time.Since(since) > *settleFlag {
			return times
		}
	}
	panic("unreachable")
}
