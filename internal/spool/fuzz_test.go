package spool

import (
	"bytes"
	"io"
	"testing"
)

// FuzzScanner puts arbitrary bytes between two records: nothing crashes, both are
// found, and every byte is accounted for as a record or as passed over.
func FuzzScanner(f *testing.F) {
	key := secret{1, 3, 5, 7, 9, 11, 13, 15}.key(1)
	whole := key.appendFrame(nil, &Record{Seq: 2, Time: 2, Payload: []byte("payload")})
	f.Add([]byte{})
	f.Add(make([]byte, 100))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append([]byte{0}, whole...))
	f.Add(append(whole[:4:4], 0xff, 0xff, 0xff, 0x00, 1, 2, 3))
	f.Fuzz(func(t *testing.T, junk []byte) {
		data := key.appendFrame(nil, &Record{Seq: 1, Time: 1, Payload: []byte("first")})
		data = append(data, junk...)
		data = key.appendFrame(data, &Record{Seq: 9, Time: 9, Payload: []byte("last")})
		var s scanner
		s.reset(bytes.NewReader(data), key, 0, int64(len(data)), 1, 9)
		var got []uint64
		var bytesSeen int64
		for {
			rec, err := s.next()
			bytesSeen += s.skipped
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			bytesSeen += frameSize(len(rec.Payload))
			got = append(got, rec.Seq)
		}
		if bytesSeen != int64(len(data)) {
			t.Errorf("%d of %d bytes are accounted for", bytesSeen, len(data))
		}
		// A forged frame would have to guess 64 secret bits; the fuzzer knows
		// them, and may therefore swallow the last record, but never the first.
		if len(got) == 0 || got[0] != 1 {
			t.Errorf("read %v", got)
		}
		if !bytes.Contains(junk, whole[:4]) && got[len(got)-1] != 9 {
			t.Errorf("the record behind the junk is not found: %v", got)
		}
	})
}

// FuzzFiles puts arbitrary bytes into the cursor and a segment header: the
// spool opens.
func FuzzFiles(f *testing.F) {
	b := build(f, 10, 5)
	name := b.segments()[0]
	f.Add(b.files[cursorName], b.files[name])
	f.Add([]byte{}, b.files[name][:headerSize])
	f.Fuzz(func(t *testing.T, cursorData, segmentData []byte) {
		m := newMemFS()
		m.dir[cursorName] = &inode{data: cursorData}
		m.dir[name] = &inode{data: segmentData}
		l, err := load(Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes})
		if err != nil {
			t.Fatal(err)
		}
		l.runRound(true)
		for {
			_, ok, err := l.Reader().TryNext()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
		}
	})
}
