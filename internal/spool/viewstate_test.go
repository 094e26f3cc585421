package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestViewState looks at a spool while it is used, and after.
func TestViewState(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, SegmentBytes: minSegmentBytes})
	for i := range 40 {
		mustAppend(t, l, fmt.Sprint("event ", i, strings.Repeat(" ", 300)))
	}
	next(t, l.Reader())
	if err := l.Ack(1); err != nil {
		t.Fatal(err)
	}
	state := func() ViewState {
		t.Helper()
		v, err := OpenReadOnly(dir)
		if err != nil {
			t.Fatal(err)
		}
		s, err := v.State()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := state()
	if s.ID != l.ID() || s.Closed || !strings.Contains(s.Holder, fmt.Sprintf("process %d ", os.Getpid())) || s.Acked != 1 || len(s.Segments) < 2 {
		t.Errorf("in use: %+v", s)
	}
	if err := os.WriteFile(filepath.Join(dir, segmentName(7)+".1"+badExt), make([]byte, 99), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s = state()
	if !s.Closed || s.Holder != "" || s.Highest != 40 || s.LastTime.IsZero() || len(s.SetAside) != 1 || s.SetAside[0].Bytes != 99 {
		t.Errorf("closed: %+v", s)
	}
}
