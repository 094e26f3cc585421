package delivery

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var (
	peersFlag  = flag.String("peers", "", "comma-separated peers to run; empty for all")
	eventsFlag = flag.Int("events", 200_000, "events of a turn of BenchmarkThroughput")
	burstFlag  = flag.Int("burst", 1_000_000, "events of BenchmarkBurst")
	outageFlag = flag.Duration("outage", 30*time.Second, "how long BenchmarkOutage takes Loki away")
	rateFlag   = flag.Int("rate", 5000, "events per second in BenchmarkOutage and BenchmarkKill")
	killsFlag  = flag.Int("kills", 5, "how often BenchmarkKill kills each peer")
	profFlag   = flag.String("profiles", "", "folder for a CPU profile of each peer")
)

// TestMain is also the beginning of a peer's process: see sender_test.go.
func TestMain(m *testing.M) {
	if config, ok := os.LookupEnv(senderEnv); ok {
		if err := send(config); err != nil {
			fmt.Fprintln(os.Stderr, "sender:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// chosen returns the peers of a run, in order.
func chosen(all ...string) []string {
	if *peersFlag != "" {
		return strings.Split(*peersFlag, ",")
	}
	return all
}
