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
)

const (
	cursorName = "cursor"
	cursorMark = "ADMCUR\x00\x01"

	slotSize    = 128  // a slot lies within one sector
	slotStride  = 4096 // the two slots lie in different blocks
	slotCRC     = slotSize - 4
	cursorBytes = 2 * slotStride
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
}

// cursor is the cursor file: two slots that are overwritten in place by turns,
// each with a generation and a checksum. An update is one write of 128 bytes and
// needs no disk space, so it works on a full disk; whichever write a crash tears,
// the slot before it is whole.
type cursor struct {
	mu    sync.Mutex
	file  File
	gen   uint64
	pos   position
	dirty int   // slots written since the last sync
	err   error // of the last write
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
	b = b[:slotCRC]
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
	}, le.Uint64(b[8:]), true
}

// readCursor returns the newest whole slot. ok is false if there is none; bad
// tells what is wrong, nil if nothing is.
func readCursor(fsys FS, dir string) (p position, gen uint64, ok bool, bad *Damage, err error) {
	f, err := fsys.OpenFile(filepath.Join(dir, cursorName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, 0, false, &Damage{File: cursorName, Reason: DamageCursor, Err: err}, nil
	}
	if err != nil {
		return position{}, 0, false, nil, fmt.Errorf("spool: opening the cursor: %w", err)
	}
	defer f.Close()
	for i := range int64(2) {
		b := make([]byte, slotSize)
		n, err := f.ReadAt(b, i*slotStride)
		if err == io.EOF {
			err = nil
		}
		sp, sgen, sok := parseSlot(b[:n])
		if err != nil || !sok || sgen%2 != uint64(i) {
			bad = &Damage{File: cursorName, Offset: i * slotStride, Bytes: slotSize, Reason: DamageCursor, Err: err}
			continue
		}
		if !ok || sgen > gen {
			p, gen, ok = sp, sgen, true
		}
	}
	return p, gen, ok, bad, nil
}

// openCursor opens the cursor file for p, making a new one if there is none that
// is whole, and makes both slots durable.
func openCursor(fsys FS, dir string, p position, gen uint64, intact bool) (*cursor, error) {
	name := filepath.Join(dir, cursorName)
	c := &cursor{pos: p, gen: gen}
	if !intact {
		// A new file beside the old one, so that a crash here leaves one of
		// the two.
		tmp := name + ".tmp"
		f, err := fsys.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("spool: making the cursor: %w", err)
		}
		c.file = f
		_, err = f.WriteAt(make([]byte, cursorBytes), 0)
		if err == nil {
			err = c.writeBoth()
		}
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
		if err == nil {
			err = fsys.Rename(tmp, name)
		}
		if err == nil {
			err = fsys.SyncDir(dir)
		}
		if err != nil {
			return nil, fmt.Errorf("spool: making the cursor: %w", err)
		}
	}
	f, err := fsys.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: opening the cursor: %w", err)
	}
	c.file = f
	if intact {
		err = c.writeBoth()
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("spool: writing the cursor: %w", err), f.Close())
		}
	}
	c.dirty = 0
	return c, nil
}

// update changes the position and writes it.
func (c *cursor) update(change func(*position)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.pos)
	return c.write()
}

func (c *cursor) write() error {
	gen := c.gen + 1
	if _, err := c.file.WriteAt(c.pos.encode(gen), int64(gen%2)*slotStride); err != nil {
		// The slot may be torn now; the next write must hit the same one, so
		// that the other stays whole.
		c.err = fmt.Errorf("writing the cursor: %w", err)
		return c.err
	}
	c.gen = gen
	c.dirty++
	c.err = nil
	return nil
}

func (c *cursor) writeBoth() error {
	if err := c.write(); err != nil {
		return err
	}
	return c.write()
}

// sync makes the position durable and returns it. After a failed fsync nothing
// is assumed about the slots: both are written anew before the next one.
func (c *cursor) sync() (position, error) {
	c.mu.Lock()
	if c.err != nil {
		if err := c.writeBoth(); err != nil {
			c.mu.Unlock()
			return position{}, err
		}
	}
	p, dirty := c.pos, c.dirty
	c.mu.Unlock()
	if dirty == 0 {
		return p, nil
	}
	err := c.file.Sync()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.err = fmt.Errorf("syncing the cursor: %w", err)
		return position{}, c.err
	}
	c.dirty -= dirty
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
