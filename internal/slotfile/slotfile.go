// Package slotfile keeps one short text in a file that is overwritten in place, so
// that it survives the death of the process and a power cut, also on a full disk.
package slotfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// File keeps one text, overwritten in place: four slots, the newest whole one
// counts. Neither that one, nor the newest one that is synced, nor one that is being
// synced is ever the next to be written; so neither a killed process nor a power cut
// takes all. An update needs no disk space, so it works on a full disk. A file that
// was removed is made again.
//
// A slot is, little endian, "ADMTRE" 0 1, of which the last byte is the version of the
// format, its generation (8), the length of the
// text (4), a CRC-32C of all the others (4), and the text.
type File struct {
	mu         sync.Mutex
	path       string
	file       *os.File
	generation uint64
	newest     int
	synced     int
	syncing    int // -1 if none is
	dirty      bool
}

const (
	mark     = "ADMTRE\x00\x01"
	header   = 24
	slotSize = 64 << 10
	slots    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Open opens the file, or makes it, and returns what it holds; nil if that
// is nothing. damaged says that it holds something that can't be read. A file of a
// newer format is an error that matches [spool.ErrFormat].
func Open(path string) (s *File, text []byte, damaged bool, err error) {
	f, err := spool.OpenPlain(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		if s, err = create(path); err != nil {
			s = &File{path: path, syncing: -1} // it is tried again
		}
		return s, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	s = &File{path: path, file: f, syncing: -1, dirty: true}
	for i := range slots {
		b := make([]byte, slotSize)
		n, rerr := f.ReadAt(b, int64(i)*slotSize)
		if rerr != nil && rerr != io.EOF {
			return nil, nil, false, errors.Join(rerr, f.Close())
		}
		t, generation, version, ok := parse(b[:n])
		switch {
		case ok && version > mark[len(mark)-1]:
			return nil, nil, false, errors.Join(spool.NewerFormat(path, version, mark[len(mark)-1]), f.Close())
		case ok && generation > s.generation:
			s.generation, s.newest, s.synced, text = generation, i, i, t
		case !ok:
			damaged = damaged || !blank(b[:n])
		}
	}
	return s, text, damaged && text == nil, nil
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func create(path string) (*File, error) {
	f, err := spool.OpenPlain(path, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(make([]byte, slots*slotSize), 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return &File{path: path, file: f, syncing: -1}, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission) {
		err = nil // not every system can
	}
	return errors.Join(err, d.Close())
}

// parse reads a slot, of this format or a newer one: every version keeps its head.
func parse(b []byte) (text []byte, generation uint64, version byte, ok bool) {
	le := binary.LittleEndian
	at := len(mark) - 1
	if len(b) < header || string(b[:at]) != mark[:at] || b[at] < mark[at] {
		return nil, 0, 0, false
	}
	n := le.Uint32(b[16:])
	if uint64(n) > uint64(len(b)-header) || sum(b[:header+int(n)]) != le.Uint32(b[20:]) {
		return nil, 0, 0, false
	}
	return b[header : header+int(n)], le.Uint64(b[8:]), b[at], true
}

func sum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:20], castagnoli), castagnoli, b[header:])
}

// Write replaces the text. It survives the death of the process.
func (s *File) Write(text []byte) error {
	if len(text) > slotSize-header {
		return fmt.Errorf("%d bytes; want at most %d", len(text), slotSize-header)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.keepName(); err != nil {
		return err
	}
	slot := 0
	for slot == s.newest || slot == s.synced || slot == s.syncing {
		slot++
	}
	le := binary.LittleEndian
	b := make([]byte, 0, header+len(text))
	b = append(b, mark...)
	b = le.AppendUint64(b, s.generation+1)
	b = le.AppendUint32(b, uint32(len(text)))
	b = le.AppendUint32(b, 0)
	b = append(b, text...)
	le.PutUint32(b[20:], sum(b))
	if _, err := s.file.WriteAt(b, int64(slot)*slotSize); err != nil {
		return err // it may be torn; it is not the newest
	}
	s.generation++
	s.newest, s.dirty = slot, true
	return nil
}

// keepName makes the file again if it has been removed, or replaced. mu is held.
func (s *File) keepName() error {
	if s.file != nil {
		mine, err := s.file.Stat()
		if err != nil {
			return err
		}
		named, err := os.Lstat(s.path)
		if err == nil && os.SameFile(mine, named) {
			return nil
		}
		if err == nil {
			err = os.Rename(s.path, s.path+".replaced")
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	fresh, err := create(s.path)
	if err != nil {
		return err
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.newest, s.synced, s.syncing = fresh.file, 0, 0, -1
	return nil
}

// Sync makes the text survive a power cut.
func (s *File) Sync() error {
	s.mu.Lock()
	file, newest, dirty := s.file, s.newest, s.dirty
	if dirty {
		s.dirty, s.syncing = false, newest
	}
	s.mu.Unlock()
	if !dirty || file == nil {
		return nil
	}
	err := file.Sync()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != file {
		return nil // it was made again meanwhile, and is dirty
	}
	s.syncing = -1
	if err != nil {
		s.dirty = true
		return err
	}
	s.synced = newest
	return nil
}

// Close syncs the text and closes the file.
func (s *File) Close() error {
	err := s.Sync()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}
