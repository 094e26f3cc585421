package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A spool that a newer program has written is refused by Open and by who only looks,
// and is left as it is; a version that a flipped bit has made is damage.
func TestNewerFormat(t *testing.T) {
	newer := func(b []byte) {
		b[7] = 2
		binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
	}
	cursor := func(files map[string][]byte) { newer(files[cursorName][slotStride : slotStride+slotSize]) }
	newest := func(files map[string][]byte) {
		segments := built{files: files}.segments()
		newer(files[segments[len(segments)-1]][:headerSize])
	}
	both := func(files map[string][]byte) { cursor(files); newest(files) }
	lost := func(files map[string][]byte) { newest(files); delete(files, cursorName) }
	plainAndSealed(t, func(t *testing.T, keys ...*Key) {
		b := build(t, 200, 40, keys...)
		for name, change := range map[string]func(map[string][]byte){"cursor": cursor, "newest segment": newest, "both": both, "segment without a cursor": lost} {
			m := newMemFS()
			files := map[string][]byte{}
			for n, data := range b.files {
				files[n] = bytes.Clone(data)
			}
			change(files)
			for n, data := range files {
				f := &inode{data: bytes.Clone(data), durable: bytes.Clone(data)}
				m.dir[n], m.durable[n] = f, f
			}
			_, err := load(Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, Keys: keys, OnDamage: func(d Damage) {
				if d.File != cursorName { // it may be gone
					t.Errorf("%s: damage %v", name, d)
				}
			}})
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "(2; this program knows up to 1)") {
				t.Errorf("%s: %v", name, err)
			}
			left := map[string][]byte{}
			for n, f := range m.dir {
				if n != lockName {
					left[n] = f.data
				}
			}
			delete(files, lockName)
			if !maps.EqualFunc(left, files, bytes.Equal) {
				t.Errorf("%s: something was changed", name)
			}
		}
		// Of another segment the reader says it, and waits.
		m := newMemFS()
		for n, data := range b.files {
			f := &inode{data: bytes.Clone(data)}
			m.dir[n], m.durable[n] = f, f
		}
		middle := b.segments()[len(b.segments())/2]
		newer(m.dir[middle].data[:headerSize])
		l, err := load(Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, Keys: keys, OnDamage: func(d Damage) { t.Errorf("damage %v", d) }})
		if err != nil {
			t.Fatal(err)
		}
		l.runRound(true)
		for err == nil {
			var ok bool
			if _, ok, err = l.Reader().TryNext(); err == nil && !ok {
				t.Fatal("the newer segment was passed over")
			}
		}
		if !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
	})
	o := build(t, 5, 0).reopen(t, func(files map[string][]byte) {
		for n, data := range files {
			if strings.HasSuffix(n, segmentExt) {
				data[7] = 2
			}
		}
	})
	if len(o.read) != 5 {
		t.Errorf("of a flipped version %d records were read", len(o.read))
	}
}

// Who only looks is told the same.
func TestNewerFormatReadOnly(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, SyncInterval: time.Hour})
	mustAppend(t, l, "event")
	closeLog(t, l)
	name := filepath.Join(dir, segmentName(1))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[7] = 3
	binary.LittleEndian.PutUint32(b[headerCRC:], crc32.Checksum(b[:headerCRC], castagnoli))
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(dir); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}
