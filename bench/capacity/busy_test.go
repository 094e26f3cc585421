package capacity

import (
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// A Loki that is too busy to tell itself that it is well answers questions whole.
// With health checks of its own ingester, Loki's default, it answers with the part
// that it has read by then, and status 200.
func TestBusyLokiAnswersWhole(t *testing.T) {
	const panels = 300
	dir, to := t.TempDir(), time.Now().Truncate(time.Millisecond)
	store(t, dir, panels, 1, 24, to)
	// No answer is quick enough.
	s := start(t, raised(), lokitest.WithDataDir(dir), lokitest.WithArgs("-ingester.client.healthcheck-timeout=1us", "-distributor.client-cleanup-period=100ms"))
	for _, q := range questions(t, s) {
		if q.name != "completeness" {
			continue
		}
		for range 5 {
			if found, err := q.ask(t.Context(), trail.Window{From: to.Add(-day), To: to}); err != nil || found != panels {
				t.Errorf("%d of %d logs, %v", found, panels, err)
			}
		}
	}
}
