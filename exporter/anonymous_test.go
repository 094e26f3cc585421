package exporter

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// TestAnonymousEventsLeaveRoom: while Loki is away anonymous events get a
// quarter of the spool and are then refused at once, without leaving a gap in
// the numbers; administrators' events get all the rest.
func TestAnonymousEventsLeaveRoom(t *testing.T) {
	for name, opts := range map[string][]Option{
		"drop":  nil,
		"block": {WithFullPolicy(BlockWhenFull)},
		"sync":  {WithSync(SyncAlways)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, text := logOf()
				var back atomic.Bool
				l := &fakeLoki{t: t, answer: func(received) loki.Answer {
					if !back.Load() {
						return away()
					}
					return taken
				}}
				x := startOver(t, l, t.TempDir(), append([]Option{WithLogger(log), WithSpoolLimit(minSpoolLimit)}, opts...)...)
				record := func(u adminsessions.User, note string) bool {
					ev := testEvent
					ev.Time, ev.User, ev.Note = time.Now(), u, note
					err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled)
					if err != nil && !errors.Is(err, adminsessions.ErrRefused) {
						t.Fatal(err)
					}
					return err == nil
				}
				began := time.Now()
				anonymous := 0
				for range 1500 {
					if record(adminsessions.User{}, "from anywhere") {
						anonymous++
					}
				}
				if waited := time.Since(began); waited > 0 {
					t.Errorf("anonymous events waited %v", waited)
				}
				size := len(testEvent.Line()) + 60
				if most := minSpoolLimit / 4 / size; anonymous < most/2 || anonymous > most*5/4 {
					t.Errorf("%d anonymous events in the spool, want about %d", anonymous, most)
				}
				admins := 2 * anonymous
				for i := range admins {
					if !record(testEvent.User, "by somebody") {
						t.Fatalf("administrator's event %d of %d refused", i, admins)
					}
				}
				if n := strings.Count(text(), "reason=reserved"); n != 1 {
					t.Errorf("the log tells %d times of anonymous events that are refused, want once", n)
				}
				back.Store(true)
				time.Sleep(time.Minute)
				l.check(anonymous+admins, false)
				shutdown(t, x)
			})
		})
	}
}
