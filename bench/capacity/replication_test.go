package capacity

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// BenchmarkReplication is what a push and an event cost all of Loki's processes
// together, without copies and with three, each in another ingester.
func BenchmarkReplication(b *testing.B) {
	for _, copies := range []int{1, 3} {
		b.Run(fmt.Sprintf("copies=%d", copies), func(b *testing.B) {
			for b.Loop() {
				replicated(b, copies, 2000, 100)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func TestReplication(t *testing.T) { replicated(t, 3, 30, 24) }

func replicated(t testing.TB, copies, panels, events int) {
	members := ring(t, copies)
	cpu := func() (total time.Duration) {
		for _, s := range members {
			total += s.CPUTime()
		}
		return total
	}
	f := newFleet(t, members[0].URL(), panels)
	n := float64(panels)
	began := cpu()
	from := time.Now().Add(-12 * time.Hour)
	f.pushEach(t, 8, func(int) time.Time { return from })
	streams := cpu()
	f.pushEach(t, 8, func(int) time.Time { return from.Add(time.Minute) })
	single := cpu()
	if err := f.fill(t.Context(), events-2, from.Add(2*time.Minute), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	filled := cpu()
	held, heap, wal := 0.0, 0.0, 0.0
	for _, s := range members {
		held += s.metric("loki_ingester_memory_streams")
		heap += s.heap()
		size, _, _ := s.size("wal", nil)
		wal += size
	}
	if held != n*float64(copies) {
		t.Errorf("ingesters hold %.0f streams, want %d times %d", held, copies, panels)
	}
	t.Logf("%d copies: CPU a push that makes a stream %.0f µs, a push of 1 event %.0f µs, an event of 4,000 a push %.2f µs; heaps %.0f MB; WAL an event %.0f B",
		copies, float64((streams-began).Microseconds())/n, float64((single-streams).Microseconds())/n,
		float64((filled-single).Microseconds())/n/float64(events-2), heap/1e6, wal/n/float64(events))
}

// ring is a number of Lokis that are one, with as many copies of each event.
func ring(t testing.TB, members int) []*server {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile(filepath.Join(root, "deploy", "loki", "loki.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// They gossip at addresses of their own, which Loki takes from a file only: of a
	// flag it makes two.
	const address = "127.0.77.%d"
	list := make([]*server, members)
	for i := range list {
		config := filepath.Join(t.TempDir(), "loki.yaml")
		gossip := fmt.Sprintf("\nmemberlist:\n  bind_addr: ["+address+"]\n", i+1)
		if err := os.WriteFile(config, append(bytes.Clone(shipped), gossip...), 0o600); err != nil {
			t.Fatal(err)
		}
		list[i] = start(t, raised(), lokitest.WithArgs("-config.file="+config, fmt.Sprintf("-common.storage.ring.instance-id=member-%d", i),
			"-common.storage.ring.store=memberlist", fmt.Sprintf("-distributor.replication-factor=%d", members),
			fmt.Sprintf("-memberlist.advertise-addr="+address, i+1), fmt.Sprintf("-memberlist.join="+address, 1)))
	}
	for _, s := range list {
		for tick := time.Tick(100 * time.Millisecond); strings.Count(s.get("/ring"), "ACTIVE") < members; <-tick {
			if t.Context().Err() != nil {
				t.Fatal(t.Context().Err())
			}
		}
	}
	return list
}
