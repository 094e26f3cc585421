//go:build unix

package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const benchPayload = 600 // bytes; about what one admin request takes

// benchLog opens a spool that never fills: a reader acknowledges in the
// background as a shipper would, without the shipping.
func benchLog(b *testing.B, o Options) *Log {
	o.Dir = b.TempDir()
	o.MaxBytes = 4 << 30
	l := open(b, o)
	stopped := make(chan struct{})
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
		<-stopped
	})
	go func() {
		defer close(stopped)
		r := l.Reader()
		defer r.Close()
		for n := 0; ; n++ {
			rec, err := r.Next(b.Context())
			if err != nil {
				return
			}
			if n%4096 == 0 {
				_ = l.Ack(rec.Seq)
			}
		}
	}()
	return l
}

// BenchmarkAppend is what a request pays. p99 is over single calls, while syncs
// run in the background.
func BenchmarkAppend(b *testing.B) {
	for _, policy := range []SyncPolicy{SyncInterval, SyncAlways} {
		for _, callers := range []int{1, 2, 4, 16, 64} {
			b.Run(fmt.Sprintf("sync=%s/callers=%d", policy, callers), func(b *testing.B) {
				l := benchLog(b, Options{Sync: policy})
				payload := make([]byte, benchPayload)
				took := make([][]time.Duration, callers)
				var left atomic.Int64
				b.SetBytes(benchPayload)
				b.ReportAllocs()
				runtime.GC()
				b.ResetTimer()
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for c := range callers {
					took[c] = make([]time.Duration, 0, 1<<16)
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							start := time.Now()
							if _, err := l.Append(b.Context(), start, payload); err != nil {
								b.Error(err)
								return
							}
							if t := time.Since(start); len(took[c]) < cap(took[c]) {
								took[c] = append(took[c], t)
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				all := slices.Concat(took...)
				slices.Sort(all)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
				b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
				b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
			})
		}
	}
}

// BenchmarkAppendLone is one caller and nothing else, beside its floor: the same
// bytes framed with length and CRC and written to a file with one write each.
func BenchmarkAppendLone(b *testing.B) {
	payload := make([]byte, benchPayload)
	b.Run("spool", func(b *testing.B) {
		l := open(b, Options{Dir: b.TempDir(), MaxBytes: 64 << 30})
		b.SetBytes(benchPayload)
		b.ReportAllocs()
		now := time.Now()
		start := cpuTime(b)
		for b.Loop() {
			if _, err := l.Append(b.Context(), now, payload); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
	})
	b.Run("raw-file", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		b.SetBytes(benchPayload)
		b.ReportAllocs()
		var buf []byte
		start := cpuTime(b)
		for b.Loop() {
			buf = binary.LittleEndian.AppendUint32(buf[:0], benchPayload)
			buf = append(buf, payload...)
			buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf, castagnoli))
			if _, err := f.Write(buf); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
	})
}

// cpuTime is what the process has used, the sync goroutine included: on a busy
// machine it says more than the time on the wall.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReader reads a backlog of 100,000 records again and again.
func BenchmarkReader(b *testing.B) {
	const records = 100_000
	l := open(b, Options{Dir: b.TempDir()})
	payload := make([]byte, benchPayload)
	for range records {
		if _, err := l.Append(b.Context(), time.Now(), payload); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchPayload)
	b.ReportAllocs()
	n := 0
	r := newReader(l, 0)
	for b.Loop() {
		if n == records {
			_ = r.Close()
			r, n = newReader(l, 0), 0
		}
		if _, ok, err := r.TryNext(); !ok {
			b.Fatal(n, err)
		}
		n++
	}
	_ = r.Close()
}

// BenchmarkOpen opens a spool with a backlog of 10 GiB. The segments before the
// newest are holes, which Open can't tell because it does not read them.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	l, err := load(Options{Dir: dir, MaxBytes: 64 << 30})
	if err != nil {
		b.Fatal(err)
	}
	const segments = 10 << 30 / DefaultSegmentBytes
	first := uint64(1)
	for range segments {
		l.nextSeq.Store(first)
		if _, err := l.Append(b.Context(), time.Now(), make([]byte, benchPayload)); err != nil {
			b.Fatal(err)
		}
		f := l.active.file
		l.seal(l.active)
		if err := f.Truncate(DefaultSegmentBytes); err != nil {
			b.Fatal(err)
		}
		first += DefaultSegmentBytes / (benchPayload + frameOverhead)
	}
	l.nextSeq.Store(first)
	payload := make([]byte, benchPayload)
	for range DefaultSegmentBytes/(benchPayload+frameOverhead) - 1 {
		if _, err := l.Append(b.Context(), time.Now(), payload); err != nil {
			b.Fatal(err)
		}
	}
	close(l.stopped)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, err := load(Options{Dir: dir, MaxBytes: 64 << 30})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if n := l.Stats().Segments; n != segments+1 {
			b.Fatal(n)
		}
		close(l.stopped)
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkSeal is what encryption costs a request.
func BenchmarkSeal(b *testing.B) {
	for name, keys := range map[string][]*Key{"plain": nil, "sealed": {testKey(b, 1)}} {
		b.Run(name, func(b *testing.B) {
			l := benchLog(b, Options{Keys: keys, Logger: slog.New(slog.DiscardHandler)})
			payload := make([]byte, benchPayload)
			b.SetBytes(benchPayload)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Append(b.Context(), time.Unix(1_800_000_000, 0), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
