package spool

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// The newest segments are read as far as they fit, and one of them at least.
func TestNewest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	l, err := Open(Options{Dir: dir, SegmentBytes: minSegmentBytes})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	for i := range n {
		if _, err := l.Append(t.Context(), time.Now(), fmt.Appendf(nil, "%0500d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	was := 0
	for _, bytes := range []int64{0, 1, 3 * minSegmentBytes, 1 << 30} {
		got, last := 0, uint64(0)
		for rec, err := range v.Newest(bytes) {
			if err != nil {
				t.Fatal(err)
			}
			got, last = got+1, rec.Seq
		}
		if last != n || got == 0 || got < was || int64(got) > max(bytes, minSegmentBytes)/500+1 {
			t.Errorf("of %d bytes: %d records up to %d", bytes, got, last)
		}
		was = got
	}
	if was != n {
		t.Errorf("%d records of %d", was, n)
	}
}
