package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSegmentCutBySomeoneElse cuts the mapped file behind the spool's back. The
// page is gone, and what would be a fatal signal is a refused record, and the
// next one is taken.
func TestSegmentCutBySomeoneElse(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir})
	mustAppend(t, l, "before")
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentExt))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.Truncate(names[0], 0); err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), time.Now(), make([]byte, 9000)) // reaches into a page not yet touched
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != ReasonIOError || !errors.Is(err, syscall.EIO) {
		t.Fatalf("append to a file that was cut: %v", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for { // until the back-off ends
		if _, err = l.Append(t.Context(), time.Now(), []byte("after")); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	rec, err := l.Reader().Next(t.Context())
	if err != nil || string(rec.Payload) != "after" {
		t.Errorf("read %q, %v", rec.Payload, err)
	}
	if s := l.Stats(); s.RecordsLost == 0 {
		t.Error("the record that was cut off is not reported")
	}
}
