package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is prepared behind the records never overwrites one, whatever their
// lengths are and however each was written.
func TestPreparingOverwritesNothing(t *testing.T) {
	const size = 1 << 20
	name := filepath.Join(t.TempDir(), "segment")
	opened, err := osFS{}.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	f := opened.(*osFile)
	want := make([]byte, size)
	write := func(p []byte, off int) {
		t.Helper()
		if n, err := f.WriteAt(p, int64(off)); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d at %d: %v", n, len(p), off, err)
		}
		copy(want[off:], p)
	}
	write(bytes.Repeat([]byte("h"), headerSize), 0)
	if direct, err := f.Reserve(size); err != nil || !direct {
		return // a file system that maps no files prepares none
	}
	for off, n := headerSize, 1; off < size; n = (n*7)%400_001 + 1 {
		p := bytes.Repeat([]byte{byte(n) | 1}, min(n, size-off))
		write(p, off)
		off += len(p)
		if n%3 == 0 { // what a reader sees meanwhile
			if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got[:size], want) {
				t.Fatalf("at %d the file is not what was written: %v", off, err)
			}
		}
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the file is not what was written: %v", err)
	}
}
