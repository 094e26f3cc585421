package slotfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/adminsessions/adminsessions/internal/spool"
)

func open(t *testing.T, path, want string) *File {
	t.Helper()
	f, text, damaged, err := Open(path)
	if err != nil || damaged || string(text) != want {
		t.Fatalf("open: %q, damaged %v, %v; want %q", text, damaged, err, want)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	if err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// The newest text is there after a process that did not end, whether it was synced
// or not.
func TestTheNewestTextCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	f := open(t, path, "")
	open(t, path, "") // nothing was written
	for i := range 20 {
		write(t, f, fmt.Sprint("text ", i))
		if i%3 == 0 {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		open(t, path, fmt.Sprint("text ", i))
	}
	f = open(t, path, "text 19")
	write(t, f, "")
	open(t, path, "")
	write(t, f, string(make([]byte, slotSize-header)))
	if f.Write(make([]byte, slotSize-header+1)) == nil {
		t.Error("a text that does not fit was written")
	}
}

// Whatever byte of the newest text is torn, the one before counts, and of what was
// synced there is always one.
func TestTornWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	f := open(t, path, "")
	for _, text := range []string{"one", "two", "three", "four"} {
		write(t, f, text)
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, f, "five")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, []byte("five")) - header
	for i := at; i < at+header+len("five"); i++ {
		torn := bytes.Clone(whole)
		torn[i] ^= 1
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, path, "four")
	}
}

// A file that holds something, and nothing that can be read, is damaged, not empty.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	if err := os.WriteFile(path, []byte("anything"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, text, damaged, err := Open(path)
	if err != nil || !damaged || text != nil {
		t.Fatalf("%q, damaged %v, %v", text, damaged, err)
	}
	defer f.Close()
	write(t, f, "new")
	open(t, path, "new")
}

// A file that was removed or replaced while it is open is made again.
func TestRemovedAndReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	f := open(t, path, "")
	write(t, f, "one")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two")
	open(t, path, "two")
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, f, "three")
	open(t, path, "three")
	if b, err := os.ReadFile(path + ".replaced"); err != nil || string(b) != "another" {
		t.Errorf("what stood in its place: %q, %v", b, err)
	}
}

// A file that a newer program has written is refused and left as it is.
func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	f := open(t, path, "")
	write(t, f, "one")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, []byte(mark))
	slot := whole[at : at+header+len("one")]
	slot[len(mark)-1]++
	binary.LittleEndian.PutUint32(slot[20:], sum(slot))
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Open(path); !errors.Is(err, spool.ErrFormat) {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, whole) {
		t.Errorf("it was changed, %v", err)
	}
}
