package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

var lossHead = []string{"peer", "accepted", "lost", "lost %", "doubled", "emitting s", "until delivered s", "client CPU s", "peak heap MiB", "peak RSS MiB"}

// loss compares what a peer has accepted with what has arrived.
func loss(b *testing.B, loki *lokitest.Server, peer, instance string, u usage) []string {
	b.Helper()
	got := readBack(b, loki, instance)
	lost := u.Accepted - len(got.ids)
	if peer == ours && (lost != 0 || got.doubled != 0) {
		b.Errorf("%s: %d of %d events lost, %d doubled", instance, lost, u.Accepted, got.doubled)
	}
	return []string{
		peer, fmt.Sprint(u.Accepted), fmt.Sprint(lost), fmt.Sprintf("%.1f", 100*float64(lost)/float64(u.Accepted)), fmt.Sprint(got.doubled),
		fmt.Sprintf("%.1f", u.Emitting.Seconds()), fmt.Sprintf("%.1f", u.Took.Seconds()), fmt.Sprintf("%.1f", u.CPU.Seconds()),
		mib(u.PeakHeap), mib(u.PeakRSS),
	}
}

// BenchmarkBurst hands each peer a million events as fast as it takes them.
func BenchmarkBurst(b *testing.B) {
	loki := startLoki(b)
	turn := 0
	for b.Loop() {
		turn++
		var rows [][]string
		for _, name := range chosen(ours, lokiClient, otlpTuned, otlp) {
			instance := fmt.Sprintf("burst-%s-%d", name, turn)
			u := startSender(b, senderConfig{
				Peer: name, Loki: loki.URL(), SpoolDir: b.TempDir(), Instance: instance, Events: *burstFlag,
			}).wait()
			rows = append(rows, loss(b, loki, name, instance, u))
		}
		table(b, fmt.Sprintf("a burst of %d events", *burstFlag), lossHead, rows)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkOutage stops Loki while events come at a steady rate, and starts it
// again. Events are emitted for ten seconds before and after, too.
func BenchmarkOutage(b *testing.B) {
	const around = 10 * time.Second
	loki := startLoki(b)
	turn := 0
	for b.Loop() {
		turn++
		var rows [][]string
		for _, name := range chosen(ours, lokiClient, otlpTuned, otlp) {
			instance := fmt.Sprintf("outage-%s-%d", name, turn)
			s := startSender(b, senderConfig{
				Peer: name, Loki: loki.URL(), SpoolDir: b.TempDir(), Instance: instance,
				Rate: *rateFlag, Events: *rateFlag * int((2*around+*outageFlag)/time.Second),
			})
			<-time.After(around)
			loki.Stop()
			<-time.After(*outageFlag)
			loki.Restart()
			rows = append(rows, loss(b, loki, name, instance, s.wait()))
		}
		table(b, fmt.Sprintf("%d events/s, Loki away for %s", *rateFlag, *outageFlag), lossHead, rows)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkKill kills each peer's process again and again while events come at
// a steady rate, and starts it again; at the end it may deliver what it has
// kept.
func BenchmarkKill(b *testing.B) {
	loki := startLoki(b)
	turn := 0
	for b.Loop() {
		turn++
		var rows [][]string
		for _, name := range chosen(ours, lokiClient, otlpTuned, otlp) {
			config := senderConfig{
				Peer: name, Loki: loki.URL(), SpoolDir: b.TempDir(), Instance: fmt.Sprintf("kill-%s-%d", name, turn),
				Rate: *rateFlag, Events: *rateFlag * 60, Say: true,
			}
			var accepted []string
			for range *killsFlag {
				s := startSender(b, config)
				s.await(2 * int64(*rateFlag))
				accepted = append(accepted, s.kill()...)
				config.First += config.Events
			}
			config.Events, config.Rate = 0, 0
			startSender(b, config).wait()
			got := readBack(b, loki, config.Instance)
			lost := 0
			for _, id := range accepted {
				if _, ok := got.ids[id]; !ok {
					lost++
				}
			}
			if name == ours && (lost != 0 || got.doubled != 0) {
				b.Errorf("%d of %d events lost, %d doubled", lost, len(accepted), got.doubled)
			}
			rows = append(rows, []string{name, fmt.Sprint(len(accepted)), fmt.Sprint(lost), fmt.Sprintf("%.1f", 100*float64(lost)/float64(len(accepted))), fmt.Sprint(got.doubled)})
		}
		table(b, fmt.Sprintf("%d events/s, killed %d times", *rateFlag, *killsFlag), []string{"peer", "accepted", "lost", "lost %", "doubled"}, rows)
	}
	b.ReportMetric(0, "ns/op")
}
