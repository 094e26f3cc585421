package capacity

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// raised are the limits of deploy/loki that a large fleet meets.
func raised() lokitest.Option {
	return lokitest.WithArgs("-ingester.max-global-streams-per-user=0", "-querier.max-query-series=500000", "-ingester.wal-replay-memory-ceiling="+*ceilingFlag,
		fmt.Sprintf("-ingester.chunks-block-size=%d", *blockFlag))
}

// server is a Loki that is measured.
type server struct {
	*lokitest.Server
	t testing.TB
}

func start(t testing.TB, opts ...lokitest.Option) *server {
	t.Helper()
	// What is asked and how long it starts is to be measured, however long it takes here.
	patient := lokitest.WithArgs("-querier.query-timeout=30m", "-server.http-write-timeout=30m")
	return &server{lokitest.Start(t, append(opts, patient, lokitest.WithReadyTimeout(30*time.Minute))...), t}
}

// metric is the sum of the series of one of Loki's metrics.
func (s *server) metric(name string) (total float64) {
	s.t.Helper()
	for line := range strings.Lines(s.get("/metrics")) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			s.t.Fatalf("metric %s: %v", name, err)
		}
		total += v
	}
	return total // 0 before Loki has it
}

func (s *server) get(path string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL()+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s: %v", path, resp.Status, err)
	}
	return string(b)
}

// heap is what Loki holds in memory, without garbage.
func (s *server) heap() float64 {
	s.t.Helper()
	s.get("/debug/pprof/heap?gc=1")
	return s.metric("go_memstats_heap_alloc_bytes")
}

// peak is the most memory that Loki's process has had.
func (s *server) peak() float64 {
	s.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kb * 1024
		}
	}
	return 0
}

// flush makes Loki write what it holds to its store, and returns when it has.
func (s *server) flush(ctx context.Context) {
	s.t.Helper()
	chunks := s.metric("loki_ingester_memory_chunks")
	before := s.metric("loki_ingester_chunks_flushed_total")
	if err := s.Flush(ctx); err != nil {
		s.t.Fatal(err)
	}
	for tick := time.Tick(200 * time.Millisecond); ; <-tick {
		if s.metric("loki_ingester_flush_queue_length") == 0 && (s.metric("loki_ingester_memory_chunks") == 0 || s.metric("loki_ingester_chunks_flushed_total") > before || chunks == 0) {
			return
		}
	}
}

// size is what the files below a folder of Loki's data hold, how many they are, and
// what they take of a disk, folders included.
func (s *server) size(folder string, only func(path string) bool) (bytes, files, disk float64) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.DataDir(), folder), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || !e.IsDir() && only != nil && !only(path) {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		disk += float64((info.Size() + 4095) &^ 4095)
		if !e.IsDir() {
			bytes += float64(info.Size())
			files++
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return bytes, files, disk
}

func isIndex(path string) bool { return strings.Contains(path, "/chunks/index/") }
func isChunk(path string) bool { return !isIndex(path) }
