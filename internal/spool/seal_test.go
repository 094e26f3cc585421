package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func testKey(t testing.TB, n byte) *Key {
	t.Helper()
	k, err := NewKey(bytes.Repeat([]byte{n}, KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// readBack reads what is left, "1 payload".
func readBack(t testing.TB, l *Log) (list []string) {
	t.Helper()
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		rec, ok, err := l.Reader().TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return list
		}
		list = append(list, fmt.Sprintf("%d %s", rec.Seq, rec.Payload))
	}
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := errors.Join(l.Reader().Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestSealed(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, Keys: []*Key{testKey(t, 1)}, SegmentBytes: minSegmentBytes}
	var want []string
	for run := range 3 {
		l := open(t, o)
		for i := range 40 {
			payload := fmt.Sprintf("anna.kowalska %d %d %s", run, i, strings.Repeat(".", 50*(i%5)))
			rec := mustAppend(t, l, payload)
			want = append(want, fmt.Sprintf("%d %s", rec.Seq, payload))
		}
		if s := l.Stats(); s.BacklogEvents != uint64(len(want)) || s.OldestAge == 0 || s.BacklogBytes == 0 {
			t.Errorf("%+v", s)
		}
		closeLog(t, l)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || bytes.Contains(b, []byte("anna")) || bytes.Contains(b, []byte("....")) {
			t.Errorf("%s is not encrypted, %v", f.Name(), err)
		}
	}
	v, err := OpenReadOnly(dir, testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for rec, err := range v.Records() {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fmt.Sprintf("%d %s", rec.Seq, rec.Payload))
	}
	if !slices.Equal(seen, want) {
		t.Errorf("a view has %d records, want %d", len(seen), len(want))
	}
	l := open(t, o)
	if got := readBack(t, l); !slices.Equal(got, want) {
		t.Errorf("read %d records, want %d", len(got), len(want))
	}
}

// A key that is missing or wrong is an error and loses nothing, whatever is left of
// the spool.
func TestSealedWithoutTheKey(t *testing.T) {
	for name, backlog := range map[string]int{"records": 30, "no records": 0} {
		for wrong, keys := range map[string][]*Key{"no key": nil, "another key": {testKey(t, 2)}} {
			t.Run(name+", "+wrong, func(t *testing.T) {
				dir := t.TempDir()
				l := open(t, Options{Dir: dir, Keys: []*Key{testKey(t, 1)}, SegmentBytes: minSegmentBytes})
				for i := range backlog {
					mustAppend(t, l, strings.Repeat("x", 300)+fmt.Sprint(i))
				}
				closeLog(t, l)
				before := folder(t, dir)
				if _, err := Open(Options{Dir: dir, Keys: keys, SegmentBytes: minSegmentBytes}); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), dir) {
					t.Errorf("opened with %s: %v", wrong, err)
				}
				if _, err := OpenReadOnly(dir, keys...); !errors.Is(err, ErrKey) {
					t.Errorf("viewed with %s: %v", wrong, err)
				}
				after := folder(t, dir)
				delete(before, lockName)
				delete(after, lockName)
				if fmt.Sprint(before) != fmt.Sprint(after) {
					t.Error("files have changed")
				}
				l = open(t, Options{Dir: dir, Keys: []*Key{testKey(t, 1)}, SegmentBytes: minSegmentBytes})
				if got := readBack(t, l); len(got) != backlog {
					t.Errorf("%d records, want %d", len(got), backlog)
				}
			})
		}
	}
}

func folder(t testing.TB, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name()] = string(b)
	}
	return all
}

// A spool that had no key before, and one whose key is replaced, twice.
func TestSealedFromNowOn(t *testing.T) {
	dir := t.TempDir()
	var want []string
	one, two, three := testKey(t, 1), testKey(t, 2), testKey(t, 3)
	for i, keys := range [][]*Key{nil, {one}, {two, one}, {three, two, one}} {
		l := open(t, Options{Dir: dir, Keys: keys, SegmentBytes: minSegmentBytes})
		for range 20 {
			payload := fmt.Sprint("keys ", i, strings.Repeat("x", 200))
			rec := mustAppend(t, l, payload)
			want = append(want, fmt.Sprintf("%d %s", rec.Seq, payload))
		}
		closeLog(t, l)
	}
	// The newest segments can be read, an older one can't: nothing is passed over.
	l := open(t, Options{Dir: dir, Keys: []*Key{three, one}, SegmentBytes: minSegmentBytes})
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		_, ok, err := l.Reader().TryNext()
		if ok {
			continue
		}
		if !errors.Is(err, ErrKey) || n != 40 {
			t.Errorf("after %d records: %v", n, err)
		}
		break
	}
	closeLog(t, l)
	l = open(t, Options{Dir: dir, Keys: []*Key{three, two, one}, SegmentBytes: minSegmentBytes})
	if got := readBack(t, l); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	if err := l.Ack(uint64(len(want))); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = open(t, Options{Dir: dir, Keys: []*Key{three}, SegmentBytes: minSegmentBytes}) // the old ones are needed no more
	mustAppend(t, l, "last")
	if got := readBack(t, l); len(got) != 1 {
		t.Errorf("read %q", got)
	}
}

// Who writes to the disk and knows the format, but not the key.
func TestSealedAgainstWhoHasTheDisk(t *testing.T) {
	key := testKey(t, 1)
	b := build(t, 50, 0, key)
	names := b.segments()
	head := func(files map[string][]byte, name string) header {
		h, ok := parseHeader(files[name])
		if !ok {
			t.Fatal("no header")
		}
		return h
	}
	for name, c := range map[string]struct {
		attack func(files map[string][]byte)
		lost   []uint64
	}{
		"a payload is replaced, its checksum made good": {func(files map[string][]byte) {
			h, f := head(files, names[1]), b.frames(names[1])[2]
			forge(files[names[1]][f.from:f.to], h.secret.key(h.first), func(b []byte) { b[frameHeader+20] ^= 1 })
		}, []uint64{b.frames(names[1])[2].seq}},
		"a time is changed": {func(files map[string][]byte) {
			h, f := head(files, names[1]), b.frames(names[1])[2]
			forge(files[names[1]][f.from:f.to], h.secret.key(h.first), func(b []byte) { b[17] ^= 1 })
		}, []uint64{b.frames(names[1])[2].seq}},
		"two records change places": {func(files map[string][]byte) {
			h, f, g := head(files, names[1]), b.frames(names[1])[1], b.frames(names[1])[8] // of the same length
			key, data := h.secret.key(h.first), files[names[1]]
			x, y := bytes.Clone(data[f.from:f.to]), bytes.Clone(data[g.from:g.to])
			copy(data[f.from:f.to], y)
			copy(data[g.from:g.to], x)
			forge(data[f.from:f.to], key, func(b []byte) { binary.LittleEndian.PutUint64(b[8:], f.seq) })
			forge(data[g.from:g.to], key, func(b []byte) { binary.LittleEndian.PutUint64(b[8:], g.seq) })
		}, []uint64{b.frames(names[1])[1].seq, b.frames(names[1])[8].seq}},
		"a record is taken out": {func(files map[string][]byte) {
			f := b.frames(names[1])[2]
			files[names[1]] = slices.Delete(files[names[1]], f.from, f.to)
		}, []uint64{b.frames(names[1])[2].seq}},
		"the first of a segment is taken out": {func(files map[string][]byte) {
			f := b.frames(names[1])[0]
			files[names[1]] = slices.Delete(files[names[1]], f.from, f.to)
		}, []uint64{b.frames(names[1])[0].seq}},
		"the end of a segment is cut off, the next header made good": {func(files map[string][]byte) {
			frames := b.frames(names[1])
			f := frames[len(frames)-1]
			files[names[1]] = files[names[1]][:f.from]
			h := head(files, names[2])
			h.prevLast = f.seq - 1
			copy(files[names[2]], h.encode())
		}, []uint64{b.frames(names[1])[len(b.frames(names[1]))-1].seq}},
		"a segment that is not encrypted takes the place of one that is": {func(files map[string][]byte) {
			h := head(files, names[1])
			h.keyID = 0
			data := h.encode()
			for _, f := range b.frames(names[1]) {
				data = h.secret.key(h.first).appendFrame(data, &Record{Seq: f.seq, Time: 1, Payload: []byte("forged")})
			}
			files[names[1]] = data
		}, b.touched(names[1], 0, 1<<30)},
		"and the file that says that it is encrypted is removed": {func(files map[string][]byte) {
			delete(files, sealedName)
			h := head(files, names[1])
			h.keyID = 0
			data := h.encode()
			for _, f := range b.frames(names[1]) {
				data = h.secret.key(h.first).appendFrame(data, &Record{Seq: f.seq, Time: 1, Payload: []byte("forged")})
			}
			files[names[1]] = data
		}, b.touched(names[1], 0, 1<<30)},
		"it says that it is encrypted from later on": {func(files map[string][]byte) {
			files[sealedName] = fmt.Appendf(nil, "%s 40 %x\n", sealedMark, make([]byte, 32))
			h := head(files, names[0])
			h.keyID = 0
			data := h.encode()
			for _, f := range b.frames(names[0]) {
				data = h.secret.key(h.first).appendFrame(data, &Record{Seq: f.seq, Time: 1, Payload: []byte("forged")})
			}
			files[names[0]] = data
		}, b.touched(names[0], 0, 1<<30)},
	} {
		t.Run(name, func(t *testing.T) {
			o := b.reopen(t, c.attack) // fails for a record that is not the log's
			o.want(name, c.lost...)
			if len(o.missing()) == 0 || len(o.damage) == 0 {
				t.Errorf("lost %v, reported %v", o.missing(), o.damage)
			}
		})
	}
}

// forge changes a frame and makes its checksum good.
func forge(frame []byte, key frameKey, change func(b []byte)) {
	change(frame)
	end := len(frame) - 4
	binary.LittleEndian.PutUint32(frame[end:], crc32.Update(key.seed, castagnoli, frame[:end]))
}

func TestSealedDoesNotAllocateMuch(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Sync: SyncNone, Keys: []*Key{testKey(t, 1)}})
	payload := make([]byte, 600)
	now, r := time.Now(), l.Reader()
	step := func() {
		if _, err := l.Append(t.Context(), now, payload); err != nil {
			t.Fatal(err)
		}
		rec, ok, err := r.TryNext()
		if !ok || err != nil || len(rec.Payload) != len(payload) {
			t.Fatal(ok, err)
		}
		if err := l.Ack(rec.Seq); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(2000, step); n >= 2.5 {
		t.Errorf("%v allocations for an append, a read and an ack", n)
	}
}

func TestKeysFromEnvironment(t *testing.T) {
	key := RandomKey()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("# the spool's\n"+key+"\n"+RandomKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		keys int
		want string
	}{
		"none":        {nil, 0, ""},
		"file":        {map[string]string{"_FILE": file}, 2, ""},
		"text":        {map[string]string{"": key}, 1, ""},
		"command":     {map[string]string{"_COMMAND": "cat " + file}, 2, ""},
		"two":         {map[string]string{"": key, "_FILE": file}, 0, "ADMINSESSIONS_SPOOL_KEY_FILE and ADMINSESSIONS_SPOOL_KEY are set"},
		"no file":     {map[string]string{"_FILE": "/no/such"}, 0, "ADMINSESSIONS_SPOOL_KEY_FILE: open /no/such"},
		"no key":      {map[string]string{"": "c2VjcmV0"}, 0, "ADMINSESSIONS_SPOOL_KEY: line 1 is no key"},
		"empty":       {map[string]string{"_COMMAND": "true"}, 0, "there is no key"},
		"it fails":    {map[string]string{"_COMMAND": "false"}, 0, "ADMINSESSIONS_SPOOL_KEY_COMMAND: exit status 1"},
		"not a thing": {map[string]string{"_COMMAND": "/no/such"}, 0, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := KeysFromEnvironment(func(n string) string { return c.env[strings.TrimPrefix(n, "ADMINSESSIONS_SPOOL_KEY")] })
			if len(keys) != c.keys || c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "c2Vj")) {
				t.Errorf("%d keys, %v; want %d, %q", len(keys), err, c.keys, c.want)
			}
		})
	}
}

func TestSealBeside(t *testing.T) {
	one, two := testKey(t, 1), testKey(t, 2)
	sealed := one.Seal("quarantine", []byte("anna"))
	if b, err := OpenSealed([]*Key{two, one}, "quarantine", sealed); err != nil || string(b) != "anna" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := OpenSealed([]*Key{one}, "another", sealed); err == nil {
		t.Error("opened as another thing")
	}
	if _, err := OpenSealed([]*Key{two}, "quarantine", sealed); err == nil {
		t.Error("opened with another key")
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if _, err := OpenSealed([]*Key{one}, "quarantine", broken); err == nil {
			t.Fatalf("opened with byte %d changed", i)
		}
	}
}
