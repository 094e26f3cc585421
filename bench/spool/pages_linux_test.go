package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The ways to get a record into the page cache, from which the spool's was chosen.

const segmentBytes = 16 << 20

// pages is a segment to write to, begun anew when it is full.
type pages struct {
	dir     string
	segment int
	file    *os.File
	mem     []byte
	at      int
	ready   int
}

func (p *pages) begin(b *testing.B) {
	b.Helper()
	p.end(b)
	p.segment++
	var err error
	if p.file, err = os.Create(filepath.Join(p.dir, fmt.Sprint(p.segment))); err != nil {
		b.Fatal(err)
	}
	fd := int(p.file.Fd())
	if err := unix.Fallocate(fd, 0, 0, segmentBytes); err != nil {
		b.Fatal(err)
	}
	if p.mem, err = unix.Mmap(fd, 0, segmentBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		b.Fatal(err)
	}
	p.at, p.ready = 0, 0
}

func (p *pages) end(b *testing.B) {
	if p.file == nil {
		return
	}
	for _, err := range []error{unix.Munmap(p.mem), p.file.Close(), os.Remove(p.file.Name())} {
		if err != nil {
			b.Fatal(err)
		}
	}
	p.file = nil
}

// copied copies into the mapping, after prepare has made the next piece of it.
func copied(piece int, prepare func(p *pages, from, to int) error) func(p *pages, rec []byte) error {
	return func(p *pages, rec []byte) error {
		if end := p.at + len(rec); piece > 0 && end > p.ready {
			to := min(p.ready+piece, segmentBytes)
			if err := prepare(p, p.ready, to); err != nil {
				return err
			}
			p.ready = to
		}
		copy(p.mem[p.at:], rec)
		return nil
	}
}

func populated(p *pages, from, to int) error {
	return unix.Madvise(p.mem[from:to], unix.MADV_POPULATE_WRITE)
}

var zeros [1 << 20]byte

func zeroed(p *pages, from, to int) error {
	_, err := p.file.WriteAt(zeros[:to-from], int64(from))
	return err
}

func written(p *pages, rec []byte) error {
	_, err := p.file.WriteAt(rec, int64(p.at))
	return err
}

// BenchmarkPages measures the processor time of the thread that writes, and of the
// process, which syncs every so many records.
func BenchmarkPages(b *testing.B) {
	for _, way := range []struct {
		name  string
		write func(p *pages, rec []byte) error
	}{
		{"write", written},
		{"mapped", copied(0, nil)},
		{"mapped,populated=64K", copied(64<<10, populated)},
		{"mapped,populated=256K", copied(256<<10, populated)},
		{"mapped,zeroed=64K", copied(64<<10, zeroed)},
		{"mapped,zeroed=128K", copied(128<<10, zeroed)},
		{"mapped,zeroed=256K", copied(256<<10, zeroed)},
		{"mapped,zeroed=1M", copied(1<<20, zeroed)},
	} {
		for _, every := range []int{200, 2000, 20_000} {
			b.Run(fmt.Sprintf("%s/sync=%d", way.name, every), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				p, rec := &pages{dir: b.TempDir()}, make([]byte, recordBytes)
				defer p.end(b)
				thread, process, n := time.Duration(0), clock(b, unix.CLOCK_PROCESS_CPUTIME_ID), 0
				for b.Loop() {
					start := clock(b, unix.CLOCK_THREAD_CPUTIME_ID)
					for range 20 {
						if p.file == nil || p.at+len(rec) > segmentBytes {
							p.begin(b)
						}
						if err := way.write(p, rec); err != nil {
							b.Fatal(err)
						}
						p.at += len(rec)
					}
					thread += clock(b, unix.CLOCK_THREAD_CPUTIME_ID) - start
					if n += 20; n%every == 0 {
						if err := unix.Fdatasync(int(p.file.Fd())); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(thread)/float64(n), "writer-ns/record")
				b.ReportMetric(float64(clock(b, unix.CLOCK_PROCESS_CPUTIME_ID)-process)/float64(n), "process-ns/record")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func clock(b *testing.B, id int32) time.Duration {
	b.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
