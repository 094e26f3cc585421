package exporter

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
)

// slotFile keeps one text, overwritten in place: four slots, the newest whole one
// counts. Neither that one, nor the newest one that is synced, nor one that is being
// synced is ever the next to be written; so neither a killed process nor a power cut
// takes all. An update needs no disk space, so it works on a full disk. A file that
// was removed is made again.
//
// A slot is, little endian, "ADMTRE" 0 1, its generation (8), the length of the
// text (4), a CRC-32C of all the others (4), and the text.
type slotFile struct {
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
	slotMark   = "ADMTRE\x00\x01"
	slotHeader = 24
	slotBytes  = 64 << 10
	slotCount  = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openSlotFile opens the file, or makes it, and returns what it holds; nil if that
// is nothing. damaged says that it holds something that can't be read.
func openSlotFile(path string) (s *slotFile, text []byte, damaged bool, err error) {
	f, err := openRegular(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		if s, err = makeSlotFile(path); err != nil {
			s = &slotFile{path: path, syncing: -1} // it is tried again
		}
		return s, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	s = &slotFile{path: path, file: f, syncing: -1, dirty: true}
	for i := range slotCount {
		b := make([]byte, slotBytes)
		n, rerr := f.ReadAt(b, int64(i)*slotBytes)
		if rerr != nil && rerr != io.EOF {
			return nil, nil, false, errors.Join(rerr, f.Close())
		}
		t, generation, ok := parseTextSlot(b[:n])
		switch {
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

func makeSlotFile(path string) (*slotFile, error) {
	f, err := openRegular(path, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(make([]byte, slotCount*slotBytes), 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return &slotFile{path: path, file: f, syncing: -1}, nil
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

func parseTextSlot(b []byte) (text []byte, generation uint64, ok bool) {
	le := binary.LittleEndian
	if len(b) < slotHeader || string(b[:8]) != slotMark {
		return nil, 0, false
	}
	n := le.Uint32(b[16:])
	if uint64(n) > uint64(len(b)-slotHeader) || slotSum(b[:slotHeader+int(n)]) != le.Uint32(b[20:]) {
		return nil, 0, false
	}
	return b[slotHeader : slotHeader+int(n)], le.Uint64(b[8:]), true
}

func slotSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:20], castagnoli), castagnoli, b[slotHeader:])
}

// write replaces the text. It survives the death of the process.
func (s *slotFile) write(text []byte) error {
	if len(text) > slotBytes-slotHeader {
		return fmt.Errorf("%d bytes; want at most %d", len(text), slotBytes-slotHeader)
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
	b := make([]byte, 0, slotHeader+len(text))
	b = append(b, slotMark...)
	b = le.AppendUint64(b, s.generation+1)
	b = le.AppendUint32(b, uint32(len(text)))
	b = le.AppendUint32(b, 0)
	b = append(b, text...)
	le.PutUint32(b[20:], slotSum(b))
	if _, err := s.file.WriteAt(b, int64(slot)*slotBytes); err != nil {
		return err // it may be torn; it is not the newest
	}
	s.generation++
	s.newest, s.dirty = slot, true
	return nil
}

// keepName makes the file again if it has been removed, or replaced. mu is held.
func (s *slotFile) keepName() error {
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
	fresh, err := makeSlotFile(s.path)
	if err != nil {
		return err
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.newest, s.synced, s.syncing = fresh.file, 0, 0, -1
	return nil
}

// sync makes the text survive a power cut.
func (s *slotFile) sync() error {
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

func (s *slotFile) close() error {
	err := s.sync()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}
