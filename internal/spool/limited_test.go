package spool

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimitedLeavesRoom: a flood of limited records stops at the share that is
// not reserved, without using up numbers; others still find their room, and
// delivery lets limited ones in again.
func TestLimitedLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, full := range []FullPolicy{DropWhenFull, BlockWhenFull} {
			for _, sync := range []SyncPolicy{SyncInterval, SyncAlways} {
				var drops []Reason
				l := open(t, Options{Dir: spoolDir, FS: newMemFS(), Full: full, Sync: sync,
					SegmentBytes: minSegmentBytes, MaxBytes: 8 * minSegmentBytes, ReservedBytes: 4 * minSegmentBytes,
					OnDrop: func(r Reason, seq uint64) {
						if seq != 0 {
							t.Errorf("a limited record used up number %d", seq)
						}
						drops = append(drops, r)
					}})
				start := time.Now()
				var kept uint64
				for range 100 {
					rec, err := l.Append(t.Context(), time.Now(), make([]byte, 500), Limited)
					var refused *RefusedError
					switch {
					case err == nil:
						kept = rec.Seq
					case !errors.As(err, &refused) || refused.Reason != ReasonReserved || rec.Seq != 0:
						t.Fatalf("a limited record: %v", err)
					}
				}
				if _, err := l.AppendSync(t.Context(), time.Now(), make([]byte, 500), Limited); err == nil {
					t.Error("AppendSync takes a limited record into what is reserved")
				}
				if took := time.Since(start); took > 0 {
					t.Errorf("limited records waited %v", took)
				}
				if n := len(drops); kept < 25 || n != 101-int(kept) || l.Stats().Dropped[ReasonReserved] != uint64(n) {
					t.Errorf("%d kept, %d refused, counted %v", kept, n, l.Stats().Dropped)
				}
				if err := l.Health(); err != nil {
					t.Errorf("there is room for others, and health is %v", err)
				}
				for i := range 25 { // of the reserved half
					if rec, err := l.Append(t.Context(), time.Now(), make([]byte, 500)); err != nil || rec.Seq != kept+1+uint64(i) {
						t.Fatalf("record %d after %d limited ones: number %d, %v", i, kept, rec.Seq, err)
					}
				}
				readAll(t, l)
				if err := l.Ack(l.reader.read.Load()); err != nil {
					t.Fatal(err)
				}
				if err := l.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := l.Append(t.Context(), time.Now(), make([]byte, 500), Limited); err != nil {
					t.Errorf("all is delivered: %v", err)
				}
			}
		}
	})
}
