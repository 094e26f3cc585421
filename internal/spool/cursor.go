package spool

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
	"time"
)

const (
	cursorName = "cursor"
	cursorMark = "ADMCUR\x00\x01"

	slotSize    = 128  // a slot lies within one sector
	slotStride  = 4096 // the slots lie in different blocks
	slotCRC     = slotSize - 4
	slotOrigin  = 88
	slots       = 3
	cursorBytes = slots * slotStride
)

// position is what the cursor file remembers.
type position struct {
	identity
	acked    uint64 // all records up to this number are delivered
	high     uint64 // the highest number given to a record, refused ones included
	written  uint64 // the highest number of a record written; it may lag
	synced   uint64 // the highest number known to be on stable storage; it may lag
	lastTime int64  // Time of the last record written; it may lag
	clean    bool   // the log was closed properly and nothing was written since

	origin   uint64   // Origin.ID of the cursor file this was written to
	closed   uint32   // if clean: when the file was last modified, s
	since    uint64   // the first number given under this identity
	previous [16]byte // the identity before that, of which this is a copy
}

// cursor is the cursor file: three slots that are overwritten in place, each with
// a generation and a checksum. An update is one write of 128 bytes and needs no
// disk space, so it works on a full disk. It never hits the newest slot, which a
// killed process leaves, nor the newest one that is synced, which a power cut
// leaves.
type cursor struct {
	mu  sync.Mutex
	pos position
	cursorFile
}

// cursorFile is what is known about the file.
type cursorFile struct {
	file     File
	gen      uint64
	newest   int   // slot
	synced   int   // slot
	dirty    int   // slots written since the last sync
	doubtful bool  // the last sync failed
	err      error // of the last write
}

func (p *position) encode(gen uint64) []byte {
	b := make([]byte, 0, slotSize)
	le := binary.LittleEndian
	b = append(b, cursorMark...)
	b = le.AppendUint64(b, gen)
	b = append(b, p.id[:]...)
	b = append(b, p.secret[:]...)
	b = le.AppendUint64(b, p.acked)
	b = le.AppendUint64(b, p.high)
	b = le.AppendUint64(b, p.written)
	b = le.AppendUint64(b, p.synced)
	b = le.AppendUint64(b, uint64(p.lastTime))
	if p.clean {
		b = append(b, 1)
	}
	b = b[:slotOrigin]
	b = le.AppendUint64(b, p.origin)
	b = le.AppendUint64(b, p.since)
	b = append(b, p.previous[:]...)
	b = le.AppendUint32(b, p.closed)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseSlot(b []byte) (p position, gen uint64, ok bool) {
	le := binary.LittleEndian
	if len(b) < slotSize || string(b[:8]) != cursorMark ||
		crc32.Checksum(b[:slotCRC], castagnoli) != le.Uint32(b[slotCRC:]) {
		return position{}, 0, false
	}
	return position{
		identity: identity{id: [16]byte(b[16:]), secret: secret(b[32:])},
		acked:    le.Uint64(b[40:]),
		high:     le.Uint64(b[48:]),
		written:  le.Uint64(b[56:]),
		synced:   le.Uint64(b[64:]),
		lastTime: int64(le.Uint64(b[72:])),
		clean:    b[80] == 1,
		origin:   le.Uint64(b[slotOrigin:]),
		since:    le.Uint64(b[96:]),
		previous: [16]byte(b[104:]),
		closed:   le.Uint32(b[120:]),
	}, le.Uint64(b[8:]), true
}

// found is what is in a cursor file.
type found struct {
	position
	gen  uint64
	slot int     // the newest whole one
	at   Origin  // the file's own
	ok   bool    // there is one
	bad  *Damage // nil if all are whole
}

func readCursor(fsys FS, dir string) (found, error) {
	var c found
	f, err := fsys.OpenFile(filepath.Join(dir, cursorName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		c.bad = &Damage{File: cursorName, Reason: DamageCursor, Err: err}
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("spool: opening the cursor: %w", err)
	}
	defer f.Close()
	if c.at, err = f.Origin(); err != nil {
		return c, fmt.Errorf("spool: looking at the cursor: %w", err)
	}
	for i := range slots {
		b := make([]byte, slotSize)
		at := int64(i) * slotStride
		n, err := f.ReadAt(b, at)
		if err == io.EOF {
			err = nil
		}
		if v, newer := newerThan(cursorMark, b); newer {
			return found{}, fmt.Errorf("spool: %w", NewerFormat(filepath.Join(dir, cursorName), v, cursorMark[len(cursorMark)-1]))
		}
		p, gen, ok := parseSlot(b[:n])
		if err != nil || !ok {
			c.bad = &Damage{File: cursorName, Offset: at, Bytes: slotSize, Reason: DamageCursor, Err: err}
		} else if !c.ok || gen > c.gen {
			c.position, c.gen, c.slot, c.ok = p, gen, i, true
		}
	}
	return c, nil
}

// openCursor opens the cursor file for p, making a new one if was has no whole
// slot, and makes p durable.
func openCursor(fsys FS, dir string, was found, p position) (*cursor, error) {
	name := filepath.Join(dir, cursorName)
	c := &cursor{pos: p, cursorFile: cursorFile{gen: was.gen, newest: was.slot, synced: was.slot}}
	if !was.ok {
		if _, err := c.replace(fsys, dir); err != nil {
			return nil, fmt.Errorf("spool: making the cursor: %w", err)
		}
		return c, nil
	}
	f, err := fsys.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: opening the cursor: %w", err)
	}
	c.file = f
	// The newest slot first, then the other two: at no time do fewer than one
	// whole and durable slot know what was known.
	if err = f.Sync(); err == nil {
		err = errors.Join(c.write(), c.write())
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool: writing the cursor: %w", err), f.Close())
	}
	c.dirty, c.synced = 0, c.newest
	return c, nil
}

// replace makes a new file with the position, beside the old one so that a crash
// leaves one of the two, and returns the old one.
func (c *cursor) replace(fsys FS, dir string) (old File, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := filepath.Join(dir, cursorName)
	// What a crash has left is removed, not written through.
	if err := fsys.Remove(name + ".tmp"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.OpenFile(name+".tmp", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	was, wasPos := c.cursorFile, c.pos
	c.file = f
	at, err := f.Origin()
	c.pos.origin = at.ID
	if err == nil {
		_, err = f.WriteAt(make([]byte, cursorBytes), 0)
	}
	if err == nil {
		for slot := range slots {
			err = errors.Join(err, c.writeSlot(slot))
			c.newest = slot
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.Rename(name+".tmp", name)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		c.cursorFile, c.pos = was, wasPos
		return nil, errors.Join(err, f.Close())
	}
	c.dirty, c.synced, c.doubtful, c.err = 0, c.newest, false, nil
	return was.file, nil
}

// setModified gives the file the time that the position says.
func (c *cursor) setModified(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file.SetModified(name, time.Unix(int64(c.pos.closed), 0))
}

func (c *cursor) named(name string) (bool, error) {
	c.mu.Lock()
	f := c.file
	c.mu.Unlock()
	return f.Named(name)
}

// update changes the position and writes it.
func (c *cursor) update(change func(*position)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.pos)
	return c.write()
}

func (c *cursor) write() error {
	slot := 0
	for slot == c.newest || slot == c.synced {
		slot++
	}
	if err := c.writeSlot(slot); err != nil {
		// It may be torn now; it is not the newest, and so the next one to be
		// written.
		return err
	}
	c.newest = slot
	return nil
}

func (c *cursor) writeSlot(slot int) error {
	if _, err := c.file.WriteAt(c.pos.encode(c.gen+1), int64(slot)*slotStride); err != nil {
		c.err = fmt.Errorf("writing the cursor: %w", err)
		return c.err
	}
	c.gen++
	c.dirty++
	c.err = nil
	return nil
}

// sync makes the position durable and returns it. After a failed fsync nothing
// is assumed about the slots written since the last good one: they are written
// anew before the next one.
func (c *cursor) sync() (position, error) {
	c.mu.Lock()
	if c.err != nil {
		err := c.write()
		if err == nil && c.doubtful {
			err = c.write()
		}
		if err != nil {
			c.mu.Unlock()
			return position{}, err
		}
	}
	p, dirty, newest, file := c.pos, c.dirty, c.newest, c.file
	c.mu.Unlock()
	if dirty == 0 {
		return p, nil
	}
	err := file.Sync()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != file {
		return p, nil // what replaced it is durable
	}
	if c.doubtful = err != nil; c.doubtful {
		c.err = fmt.Errorf("syncing the cursor: %w", err)
		return position{}, c.err
	}
	c.dirty -= dirty
	c.synced = newest
	return p, nil
}

func (c *cursor) position() position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pos
}

// failing returns the error of the last write or sync, nil if it succeeded.
func (c *cursor) failing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
