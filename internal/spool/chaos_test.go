package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestEverythingAtOnce lets callers of every method run beside each other while
// calls fail at random, for the race detector and for deadlocks. What was accepted
// is read, once and in order.
func TestEverythingAtOnce(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncInterval, SyncAlways, SyncNone} {
		t.Run(policy.String(), func(t *testing.T) {
			m := newMemFS()
			l := open(t, Options{Dir: spoolDir, FS: m, Sync: policy, SyncInterval: 2 * time.Millisecond, SegmentBytes: minSegmentBytes,
				MaxBytes: 16 * minSegmentBytes, Full: BlockWhenFull, BlockTimeout: 5 * time.Millisecond})
			m.mu.Lock()
			m.fault = func(int, string, string) error {
				if rand.IntN(200) == 0 {
					return []error{syscall.EIO, syscall.ENOSPC, errShort}[rand.IntN(3)]
				}
				return nil
			}
			m.mu.Unlock()

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var mu sync.Mutex
			accepted := map[uint64]string{}
			var callers, others sync.WaitGroup
			for c := range 6 {
				callers.Go(func() {
					for i := range 400 {
						payload := fmt.Sprintf("%d %d", c, i)
						appendIt := l.Append
						if i%5 == c%5 {
							appendIt = l.AppendSync
						}
						short, stop := context.WithTimeout(ctx, time.Duration(rand.IntN(20))*time.Millisecond)
						rec, err := appendIt(short, time.Now(), []byte(payload))
						stop()
						var refused *RefusedError
						var notDurable *NotDurableError
						switch {
						case err == nil:
							mu.Lock()
							accepted[rec.Seq] = payload
							mu.Unlock()
						case !errors.As(err, &refused) && !errors.As(err, &notDurable):
							t.Errorf("append: %v", err)
						}
					}
				})
			}
			var read sync.Map
			var last atomic.Uint64
			others.Go(func() {
				for {
					rec, err := l.Reader().Next(ctx)
					if ctx.Err() != nil {
						return
					}
					if err != nil {
						continue
					}
					if rec.Seq <= last.Load() {
						t.Errorf("record %d is read after %d", rec.Seq, last.Load())
					}
					last.Store(rec.Seq)
					read.Store(rec.Seq, string(rec.Payload))
					_ = l.Ack(rec.Seq)
				}
			})
			others.Go(func() {
				for ctx.Err() == nil {
					_ = l.Stats()
					_ = l.Health()
					_ = l.Sync(ctx)
				}
			})
			callers.Wait()
			m.mu.Lock()
			m.fault = nil
			m.mu.Unlock()
			end := uint64(0)
			for end == 0 { // the disk is back; the back-off ends
				if rec, err := l.AppendSync(ctx, time.Now(), []byte("end")); err == nil {
					end = rec.Seq
				}
			}
			for last.Load() < end && ctx.Err() == nil {
				if err := l.Sync(ctx); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			others.Wait()
			for seq, want := range accepted {
				if got, ok := read.Load(seq); !ok || got != want {
					t.Errorf("record %d is %v, want %q", seq, got, want)
				}
			}
			if err := l.Reader().Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
