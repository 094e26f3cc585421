package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestClocks records events with the times of a clock that is wrong, and of one
// that is set while the panel runs. Loki, with its default limits, refuses such
// times; no event is lost to that, none is there twice, and each says when it
// arrived by the panel's clock.
func TestClocks(t *testing.T) {
	loki := startLoki(t, lokitest.WithArgs("-ingester.max-chunk-age=2h", "-validation.reject-old-samples.max-age=168h"))
	day := 24 * time.Hour
	for _, steps := range [][]time.Duration{
		{5 * time.Minute}, {11 * time.Minute}, {time.Hour}, {30 * day},
		{-5 * time.Minute}, {-11 * time.Minute}, {-time.Hour}, {-30 * day},
		{time.Hour, 0}, {30 * day, 0}, {0, time.Hour, 0}, {0, -30 * day, 0},
		{0, 11 * time.Minute, -11 * time.Minute, 0}, {0, 30 * day, -30 * day, time.Hour, -time.Hour, 0},
	} {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			dir := t.TempDir()
			r := record(t, "clocks", exporterOptions(loki.URL(), dir, t.Name()))
			arrived := map[string]time.Time{}
			for _, off := range steps {
				for range 50 {
					s := r.sources[0]
					s.at = time.Now().Add(off)
					e := s.next()
					arrived[e.RequestID] = e.Time
					r.one(e)
				}
				r.flush(t)
			}
			tr := newTrail(loki, t.Name())
			tr.since = 40 * day
			for _, e := range tr.read(t) {
				want, ok := arrived[e.event.RequestID]
				if !ok { // the trail's own
					continue
				}
				if e.event.Time.Sub(want).Abs() >= time.Millisecond {
					t.Errorf("event %s says that it arrived at %v, want %v", e.event.RequestID, e.event.Time, want)
				}
			}
			r.verify(t, tr, expectation{clocks: true, resent: true})
			if _, err := os.Stat(filepath.Join(dir, "quarantine.ndjson")); err == nil {
				t.Errorf("events in quarantine: %+v", readQuarantine(t, dir))
			}
		})
	}
}
