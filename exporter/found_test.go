package exporter

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// What an earlier process has left is shown to the next one, delivered or not,
// although what is delivered is removed at once.
func TestFound(t *testing.T) {
	waiting := func(received) loki.Answer { return away() }
	for name, c := range map[string]struct {
		loki *fakeLoki
		opts []Option
	}{
		"delivered":               {&fakeLoki{}, nil},
		"waiting":                 {&fakeLoki{answer: waiting}, nil},
		"delivered and encrypted": {&fakeLoki{}, []Option{WithSpoolKeys(make([]byte, 32))}},
		"waiting and encrypted":   {&fakeLoki{answer: waiting}, []Option{WithSpoolKeys(make([]byte, 32))}},
	} {
		l := c.loki
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l.t = t
				dir := filepath.Join(t.TempDir(), "spool")
				var before, found []string
				see := func(list *[]string) Option {
					return WithFound(func(at time.Time, line []byte) {
						if at.IsZero() {
							t.Error("an event without a time")
						}
						*list = append(*list, string(line))
					})
				}
				x := startOver(t, l, dir, append(c.opts, see(&before))...)
				emit(t, x, 4)
				time.Sleep(time.Minute)
				_ = x.Shutdown(t.Context())
				x = startOver(t, l, dir, append(c.opts, see(&found))...)
				if len(before) != 0 || len(found) < 4 {
					t.Errorf("a new spool has %d events, and then %d: want 0, and 4 or more", len(before), len(found))
				}
				_ = x.Shutdown(t.Context())
			})
		})
	}
}

// What has been recorded is synced by Sync, whether Loki is there or not; a spool that
// is closed says that it is.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLoki{t: t, answer: func(received) loki.Answer { return away() }}
		x := startOver(t, l, filepath.Join(t.TempDir(), "spool"), WithSync(SyncNone))
		emit(t, x, 4)
		before := x.spool.Stats().Syncs
		if err := x.Sync(t.Context()); err != nil || x.spool.Stats().Syncs != before+1 {
			t.Errorf("%v, after %d syncs more", err, x.spool.Stats().Syncs-before)
		}
		_ = x.Shutdown(t.Context())
		if err := x.Sync(t.Context()); err == nil {
			t.Error("a spool that is closed is synced")
		}
	})
}
