package spool

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// recordBytes is about the size of a spooled event.
const recordBytes = 640

// An appender keeps records on disk. append returns once the record survives
// the death of the process, or with durable, a power cut.
type appender interface {
	append(payload []byte, durable bool) error
}

type spoolAppender struct{ log *spool.Log }

func (a spoolAppender) append(payload []byte, durable bool) error {
	add := a.log.Append
	if durable {
		add = a.log.AppendSync
	}
	_, err := add(context.Background(), time.Now(), payload)
	return err
}

// fileAppender writes length, payload and checksum with one write.
type fileAppender struct {
	mu   sync.Mutex
	file *os.File
	buf  []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (a *fileAppender) append(payload []byte, durable bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = binary.LittleEndian.AppendUint32(a.buf[:0], uint32(len(payload)))
	a.buf = append(a.buf, payload...)
	a.buf = binary.LittleEndian.AppendUint32(a.buf, crc32.Checksum(payload, castagnoli))
	if _, err := a.file.Write(a.buf); err != nil || !durable {
		return err
	}
	return a.file.Sync()
}

type wlogAppender struct {
	mu  sync.Mutex
	log *wlog.WL
}

func (a *wlogAppender) append(payload []byte, durable bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.log.Log(payload); err != nil || !durable {
		return err
	}
	return a.log.Sync()
}

// openAppenders opens one of each kind until the benchmark ends.
func openAppenders(b *testing.B) map[string]appender {
	b.Helper()
	log, err := spool.Open(spool.Options{Dir: b.TempDir(), MaxBytes: 64 << 30})
	if err != nil {
		b.Fatal(err)
	}
	key, err := spool.NewKey(make([]byte, spool.KeyBytes))
	if err != nil {
		b.Fatal(err)
	}
	encrypted, err := spool.Open(spool.Options{Dir: b.TempDir(), MaxBytes: 64 << 30, Keys: []*spool.Key{key}})
	if err != nil {
		b.Fatal(err)
	}
	file, err := os.Create(filepath.Join(b.TempDir(), "records"))
	if err != nil {
		b.Fatal(err)
	}
	wal, err := wlog.New(nil, nil, b.TempDir(), wlog.CompressionNone)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, close := range []func() error{log.Close, encrypted.Close, file.Close, wal.Close} {
			if err := close(); err != nil {
				b.Error(err)
			}
		}
	})
	return map[string]appender{
		"spool": spoolAppender{log}, "encrypted": spoolAppender{encrypted}, "raw-file": &fileAppender{file: file}, "wlog": &wlogAppender{log: wal},
	}
}

// BenchmarkAppend compares the spool's append with that of one that is encrypted,
// with a raw framed file and with Prometheus' write-ahead log, turn by turn: for the death of a process by one
// and by two goroutines, and for a power cut by many at a time, who in the spool
// share an fsync.
func BenchmarkAppend(b *testing.B) {
	for _, test := range []struct {
		name             string
		callers, records int // records of a turn
		durable          bool
	}{
		{"written/callers=1", 1, 20_000, false},
		{"written/callers=2", 2, 20_000, false},
		{"synced/callers=1", 1, 100, true},
		{"synced/callers=16", 16, 800, true},
		{"synced/callers=256", 256, 12_800, true},
	} {
		b.Run(test.name, func(b *testing.B) {
			appenders := openAppenders(b)
			names := []string{"spool", "encrypted", "raw-file", "wlog"}
			payload := make([]byte, recordBytes)
			took := make(map[string][]float64) // ns an append, of each turn
			for b.Loop() {
				for _, name := range names {
					records := test.records
					if test.durable && name != "spool" && name != "encrypted" {
						records = min(records, 200) // one fsync each
					}
					start := time.Now()
					var wg sync.WaitGroup
					for range test.callers {
						wg.Go(func() {
							for range max(1, records/test.callers) {
								if err := appenders[name].append(payload, test.durable); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					wg.Wait()
					n := max(1, records/test.callers) * test.callers
					took[name] = append(took[name], float64(time.Since(start).Nanoseconds())/float64(n))
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, name := range names {
				ns := median(took[name])
				b.ReportMetric(ns, "ns/"+name)
				b.ReportMetric(1e9/ns, "records/s/"+name)
				if name != "spool" {
					ratios := make([]float64, len(took[name]))
					for i := range ratios {
						ratios[i] = took["spool"][i] / took[name][i]
					}
					b.ReportMetric(median(ratios), fmt.Sprintf("spool/%s", name))
				}
			}
		})
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
