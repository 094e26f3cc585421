package spool

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

type memFile struct {
	m      *memFS
	f      *inode
	name   string
	boot   int
	closed bool
}

var errDead = errors.New("memfs: the process that opened this file is gone")

func (h *memFile) enter(op string) (func(), error) {
	leave, err := h.m.enter(op, h.name)
	if h.boot != h.m.boot {
		err = errDead
	} else if h.closed {
		err = fs.ErrClosed
	}
	return leave, err
}

func (h *memFile) ReadAt(p []byte, off int64) (int, error) {
	leave, err := h.enter("read")
	defer leave()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(h.f.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memFile) WriteAt(p []byte, off int64) (int, error) {
	leave, err := h.enter("write")
	defer leave()
	// Killed in the middle of it. The cursor's writes lie within a sector, which
	// neither a kernel nor a disk leaves half done.
	if err == errDead && h.boot == h.m.boot && filepath.Ext(h.name) == segmentExt {
		if n := len(h.f.data); int(off) < n {
			mark := 0
			if h.m.direct {
				mark = min(4, len(p))
			}
			end := min(mark+len(p)/2, len(p), n-int(off))
			if mark < end {
				copy(h.f.data[int(off)+mark:], p[mark:end])
				h.f.dirty = append(h.f.dirty, span{int(off) + mark, int(off) + end})
			}
		}
	}
	if err != nil && err != error(errShort) {
		return 0, err
	}
	if err != nil {
		p = p[:len(p)/2]
	}
	if grow := off + int64(len(p)) - int64(len(h.f.data)); grow > 0 {
		if h.m.room > 0 && h.m.used()+grow > h.m.room {
			fits := max(0, int64(len(p))-(h.m.used()+grow-h.m.room))
			p, err = p[:fits], syscall.ENOSPC
		}
		if grow := off + int64(len(p)) - int64(len(h.f.data)); grow > 0 && len(p) > 0 {
			h.f.data = append(h.f.data, make([]byte, grow)...)
		}
	}
	if len(p) > 0 {
		copy(h.f.data[off:], p)
		h.f.dirty = append(h.f.dirty, span{int(off), int(off) + len(p)})
		h.f.modified = time.Unix(1, 1) // some time
	}
	return len(p), err
}

func (h *memFile) Reserve(size int64) (bool, error) {
	leave, err := h.enter("reserve")
	defer leave()
	if err != nil {
		return false, err
	}
	grow := size - int64(len(h.f.data))
	if grow > 0 {
		if h.m.room > 0 && h.m.used()+grow > h.m.room {
			return false, syscall.ENOSPC
		}
		h.f.data = append(h.f.data, make([]byte, grow)...)
	}
	return h.m.direct, nil
}

func (h *memFile) Origin() (Origin, error) {
	leave, err := h.enter("stat")
	defer leave()
	return Origin{ID: h.m.origin, Modified: h.f.modified}, err
}

func (h *memFile) SetModified(_ string, at time.Time) error {
	leave, err := h.enter("setmodified")
	defer leave()
	if err == nil {
		h.f.modified = at
	}
	return err
}

func (h *memFile) Named(name string) (bool, error) {
	leave, err := h.enter("stat")
	defer leave()
	return err == nil && h.m.dir[filepath.Base(name)] == h.f, err
}

func (f *inode) truncate(size int64) {
	for int64(len(f.data)) < size {
		f.data = append(f.data, 0)
	}
	f.data = f.data[:size]
	if size < int64(len(f.durable)) {
		f.durable = f.durable[:size]
	}
	for i := range f.dirty {
		f.dirty[i].to = min(f.dirty[i].to, int(size))
	}
}

func (h *memFile) Truncate(size int64) error {
	leave, err := h.enter("truncate")
	defer leave()
	if err == nil {
		h.f.truncate(size)
	}
	return err
}

// Sync that fails forgets what it should have written, as Linux does: the next
// one succeeds and the data is not on the disk.
func (h *memFile) Sync() error {
	leave, err := h.enter("sync")
	defer leave()
	if err == errDead {
		return err
	}
	if err == nil {
		for _, d := range h.f.dirty {
			if len(h.f.durable) < d.to {
				h.f.durable = append(h.f.durable, make([]byte, d.to-len(h.f.durable))...)
			}
			if d.from < d.to {
				copy(h.f.durable[d.from:d.to], h.f.data[d.from:d.to])
			}
		}
		if n := len(h.f.data); len(h.f.durable) < n {
			h.f.durable = append(h.f.durable, make([]byte, n-len(h.f.durable))...)
		}
	}
	h.f.dirty = nil
	return err
}

func (h *memFile) Close() error {
	leave, err := h.enter("close")
	defer leave()
	if !h.closed && h.boot == h.m.boot {
		h.m.opened--
	}
	h.closed = true
	if err == errDead {
		err = nil
	}
	return err
}

type memEntry struct {
	name string
	size int64
}

func (e memEntry) Name() string               { return e.name }
func (e memEntry) IsDir() bool                { return false }
func (e memEntry) Type() fs.FileMode          { return 0 }
func (e memEntry) Info() (fs.FileInfo, error) { return e, nil }
func (e memEntry) Size() int64                { return e.size }
func (e memEntry) Mode() fs.FileMode          { return 0o600 }
func (e memEntry) ModTime() time.Time         { return time.Time{} }
func (e memEntry) Sys() any                   { return nil }
