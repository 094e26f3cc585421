package capacity

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

var (
	panelsFlag  = flag.String("panels", "1000,10000", "comma-separated numbers of panels")
	eventsFlag  = flag.Int("events", 24, "events of a panel a day")
	daysFlag    = flag.Int("days", 7, "days of the trail that BenchmarkQueries asks")
	dataFlag    = flag.String("data", "", "folder in which BenchmarkQueries keeps Loki's data for the next time; empty for none")
	rateFlag    = flag.Int("rate", 300, "pushes a second whose latency BenchmarkStreams measures")
	ceilingFlag = flag.String("ceiling", "8GB", "ingester.wal.replay_memory_ceiling; deploy/loki has 512MB")
	blockFlag   = flag.Int("block", 256<<10, "ingester.chunk_block_size; the default is Loki's")
	lastsFlag   = flag.Duration("lasts", 30*time.Second, "how long BenchmarkStreams does that, and how long it looks at a Loki at rest")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

func fleets(t testing.TB) (panels []int) {
	t.Helper()
	for text := range strings.SplitSeq(*panelsFlag, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("-panels: %q; want numbers above 0, separated by commas", text)
		}
		panels = append(panels, n)
	}
	return panels
}
