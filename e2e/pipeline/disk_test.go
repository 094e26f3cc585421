package pipeline

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/adminsessions/adminsessions/exporter"
)

// TestDiskFull fills the spool's disk while Loki is away. What does not fit is
// refused, with the reason, and its sequence numbers are missing in Loki; what
// was accepted is delivered; and when there is room again, recording goes on.
//
// The disk is a small tmpfs. Where none can be mounted (that takes root), the
// spool's own limit is made as small: the same promise, another reason.
func TestDiskFull(t *testing.T) {
	const size = 4 << 20
	loki := startLoki(t)
	proxy := startProxy(t, loki)
	proxy.inject(answerWith(503, nil, ""))

	dir := t.TempDir()
	limit, reason := int64(1<<30), "disk_full"
	if err := mountTmpfs(t, dir, size); err != nil {
		t.Logf("no tmpfs can be mounted (%v); the spool's limit takes its place", err)
		limit, reason = size, "spool_full"
	}
	r := record(t, "full", exporterOptions(proxy.URL, filepath.Join(dir, "spool"), "full",
		exporter.WithSpoolLimit(limit), exporter.WithFullPolicy(exporter.DropWhenFull)))
	r.signedIn() // events of nobody are refused without a number
	await(t, "the disk to be full", func() bool {
		r.traffic(200)
		return r.refused > 1000
	})
	if err := r.Ready(); err == nil {
		t.Error("ready with a full disk")
	} else {
		t.Log("ready:", err)
	}
	err := r.provider.RecordEvent(t.Context(), r.sources[0].next(), 0)
	r.refused++
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Fatalf("recording on a full disk: %v, want the reason %s", err, reason)
	}
	if reason == "disk_full" && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("recording on a full disk: %v, want ENOSPC as its cause", err)
	}

	// The panel takes no requests until it is ready, so nothing is recorded
	// that could find out that there is room again.
	proxy.inject(nil)
	r.flush(t)
	await(t, "the spool to be ready again", func() bool { return r.Ready() == nil })
	refused := r.refused
	r.traffic(500)
	if r.refused > refused {
		t.Errorf("%d events refused after Loki has taken the backlog", r.refused-refused)
	}
	r.flush(t)

	// Exactly the refused ones are missing.
	tr := newTrail(loki, "full")
	there := make(map[uint64]bool)
	last := uint64(0)
	for _, e := range tr.read(t) {
		there[e.seq] = true
		last = max(last, e.seq)
	}
	if missing := int(last) - len(there); missing != r.refused {
		t.Errorf("%d sequence numbers are missing, %d events were refused", missing, r.refused)
	}
	r.verify(t, tr, expectation{missing: func(seq uint64) bool { return !there[seq] }})
}
