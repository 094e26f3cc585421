package panel_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// These tests do what docs/operations.md says, as it says it.

// work makes requests of anna's that are told apart by what they search for.
func (p *panel) work(tag string, count int, header http.Header) {
	p.t.Helper()
	header = maps.Clone(header)
	if header == nil {
		header = http.Header{}
	}
	maps.Copy(header, asAnna)
	for i := range count {
		address := fmt.Sprintf("%s/admin/api/clients?per_page=1&search=%s-%d", p.url, tag, i)
		if status, body, err := send(p.t.Context(), http.DefaultClient, http.MethodGet, address, header, ""); err != nil || status != http.StatusOK {
			p.t.Fatalf("%s: %d %s %v", address, status, body, err)
		}
	}
}

func (p *panel) spool() string { return filepath.Join(p.dataDir, "spool") }

// shell runs a procedure's commands.
func shell(t *testing.T, format string, args ...any) {
	t.Helper()
	command := fmt.Sprintf(format, args...)
	if out, err := exec.Command("/bin/sh", "-ec", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// logs returns, for each log in Loki, its numbers in order.
func logs(t *testing.T, entries []lokitest.Entry) map[string][]uint64 {
	t.Helper()
	numbers := make(map[string][]uint64)
	for _, e := range entries {
		id := e.Labels["audit_log_id"]
		numbers[id] = append(numbers[id], eventOf(t, e).Sequence)
	}
	for _, n := range numbers {
		slices.Sort(n)
	}
	return numbers
}

// A gap or a number that is there twice makes a log incomplete.
func contiguous(numbers []uint64) bool {
	for i, n := range numbers {
		if n != numbers[0]+uint64(i) {
			return false
		}
	}
	return true
}

func TestQuarantineIsDeliveredAgain(t *testing.T) {
	limits := filepath.Join(t.TempDir(), "limits.yaml")
	limit := func(bytes int) {
		text := fmt.Sprintf("overrides:\n  fake:\n    max_line_size: %d\n", bytes)
		if err := os.WriteFile(limits, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const smallest = 4096 // a Loki that takes less takes no events at all
	limit(smallest)
	loki := lokitest.Start(t, lokitest.WithArgs("-runtime-config.file="+limits))
	p := startPanel(t, loki)
	p.work("short", 5, nil)
	// Quotes take two bytes of the line.
	long := p.url + "/admin/api/clients?per_page=1"
	for i := range 12 {
		long += fmt.Sprintf("&long%d=%s", i, strings.Repeat(`"`, 140))
	}
	header := http.Header{"User-Agent": {strings.Repeat(`"`, 500)}}
	maps.Copy(header, asAnna)
	for range 2 {
		if status, body, err := send(t.Context(), http.DefaultClient, http.MethodGet, long, header, ""); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
	}
	p.work("after", 5, nil)
	loki.Await(t.Context(), trail+` |= "search=after"`, lokitest.Last(time.Hour), 5)
	quarantined := filepath.Join(p.spool(), "quarantine.ndjson")
	await(t, "two events are in quarantine", func() error {
		data, err := os.ReadFile(quarantined)
		if n := bytes.Count(data, []byte("\n")); err == nil && n != 2 {
			err = fmt.Errorf("%d events are", n)
		}
		return err
	})

	loki.Stop()
	limit(100_000)
	loki.Restart()
	shell(t, "cd %s && mv -n quarantine.ndjson quarantine.retry.ndjson", p.spool())
	for id, numbers := range logs(t, awaitRequests(t, loki, 12)) {
		if id == "" || !contiguous(numbers) {
			t.Errorf("log %q has numbers %v, want them without a gap", id, numbers)
		}
	}
	await(t, "the file is gone", func() error {
		_, err := os.Stat(filepath.Join(p.spool(), "quarantine.retry.ndjson"))
		if err == nil {
			return errors.New("it is there")
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// A pod, a container or a machine that never returns, whose volume does.
func TestSpoolOfAPanelThatNeverReturns(t *testing.T) {
	loki := lokitest.Start(t)
	loki.Stop()
	gone := newPanel(t, loki, t.TempDir(), "OTEL_RESOURCE_ATTRIBUTES=service.instance.id=gone")
	gone.start()
	await(t, "the panel serves", func() error { _, _, err := get(t.Context(), gone.url+"/healthz"); return err })
	gone.work("gone", 20, nil)
	gone.kill()

	heir := newPanel(t, loki, t.TempDir(), "OTEL_RESOURCE_ATTRIBUTES=service.instance.id=heir")
	shell(t, "mv %s %s", gone.spool(), heir.spool())
	loki.Restart()
	heir.start()
	heir.awaitReady()
	heir.work("heir", 5, nil)
	found := logs(t, awaitRequests(t, loki, 25))
	if len(found) != 1 {
		t.Errorf("%d logs, want the one that went on: %v", len(found), found)
	}
	for id, numbers := range found {
		if !contiguous(numbers) {
			t.Errorf("log %s has numbers %v", id, numbers)
		}
	}
	instances := make(map[string]int)
	for _, e := range loki.Await(t.Context(), requests, lokitest.Last(time.Hour), 25) {
		instances[e.Labels["service_instance_id"]]++
	}
	if instances["gone"] != 20 || instances["heir"] != 5 {
		t.Errorf("events by instance: %v; want each under the name of the panel that made it", instances)
	}
}

// In a rolling update the new process waits for the old one's spool.
func TestRollingUpdateOnOneSpool(t *testing.T) {
	loki := lokitest.Start(t)
	before := startPanel(t, loki)
	before.work("before", 10, nil)
	after := newPanel(t, loki, before.dataDir)
	after.start()
	before.work("meanwhile", 10, nil)
	before.stop()
	after.awaitReady()
	after.work("after", 10, nil)
	after.stop()
	for id, numbers := range logs(t, awaitRequests(t, loki, 30)) {
		if !contiguous(numbers) {
			t.Errorf("log %s has numbers %v, want them without a gap", id, numbers)
		}
	}
}

// A used spool in an image, a snapshot or a restored backup.
func TestCopiedSpoolGetsALogOfItsOwn(t *testing.T) {
	loki := lokitest.Start(t)
	original := startPanel(t, loki)
	original.work("original", 10, nil)
	original.stop()
	twin := newPanel(t, loki, t.TempDir())
	shell(t, "cp -a %s %s", original.spool(), twin.spool())
	original.start()
	original.awaitReady()
	twin.start()
	twin.awaitReady()
	original.work("again", 10, nil)
	twin.work("twin", 10, nil)
	original.stop()
	twin.stop()

	if log := twin.log.String(); !strings.Contains(strings.ToLower(log), "cop") {
		t.Errorf("the copy was not told of:\n%s", log)
	}
	found := logs(t, awaitRequests(t, loki, 30))
	if len(found) != 2 {
		t.Errorf("%d logs, want the original and the copy's own: %v", len(found), found)
	}
	for id, numbers := range found {
		if !contiguous(numbers) {
			t.Errorf("log %s has numbers %v", id, numbers)
		}
	}
}

func TestDamagedSpoolLosesWhatIsDamaged(t *testing.T) {
	loki := lokitest.Start(t)
	loki.Stop()
	p := newPanel(t, loki, t.TempDir())
	p.start()
	await(t, "the panel serves", func() error { _, _, err := get(t.Context(), p.url+"/healthz"); return err })
	p.work("spooled", 40, nil)
	p.stop()
	segments, err := filepath.Glob(filepath.Join(p.spool(), "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("spooled-20"))
	if at < 0 {
		t.Fatal("the event to damage is not in the segment")
	}
	data[at] ^= 0xff
	if err := os.WriteFile(segments[0], data, 0o600); err != nil {
		t.Fatal(err)
	}

	loki.Restart()
	p.start()
	p.awaitReady()
	p.work("after", 1, nil)
	loki.Await(t.Context(), trail+` |= "search=after"`, lokitest.Last(time.Hour), 1)
	if n := missing(t, loki); n != 1 {
		t.Errorf("the completeness query says that %v are missing, want the damaged one", n)
	}
	_, metrics, err := get(t.Context(), "http://"+p.ops+"/metrics")
	if err != nil || !strings.Contains(metrics, "\nadminsessions_spool_damaged_records_total 1") {
		t.Errorf("adminsessions_spool_damaged_records_total is not 1 (%v)", err)
	}
	if kept, _ := filepath.Glob(filepath.Join(p.spool(), "*.bad")); len(kept) != 1 {
		t.Errorf("files that were set aside: %v, want the damaged one", kept)
	}
}
