package spool

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// Reserve allocates the file's blocks and maps them. A record is then a copy into
// the page cache instead of a system call: it survives the process all the same.
// The blocks come first, because writing to a mapped page that has none, on a
// full disk, is not an error but a signal.
func (f *osFile) Reserve(size int64) (direct bool, err error) {
	st, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("reading the size of %s: %w", f.Name(), err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		return false, &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return false, &fs.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	f.mem, f.ready = mem, st.Size()
	return true, nil
}

// WriteAt copies into the mapping where there is one.
func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	if f.mem == nil {
		return f.File.WriteAt(p, off)
	}
	if len(p) < frameOverhead || end > int64(len(f.mem)) {
		f.ready = max(f.ready, end)
		return f.File.WriteAt(p, off)
	}
	if end > f.ready {
		f.prepare(end)
	}
	return f.copyAt(p, off)
}

// prepareBytes is how much is prepared at once. Twice as much is no cheaper, and
// dearer where syncs are frequent: what is prepared and not written is synced twice.
const prepareBytes = 128 << 10

var zeros [prepareBytes]byte

// prepare writes zeros behind what is written, to at least end: the bytes that
// are there already, since the blocks were reserved. But pages that a write has
// brought into the page cache come in large pieces, and are a third to a seventh
// as dear as those that are touched through the mapping, one by one (measured on
// ext4). What fails here shows itself when it is written.
func (f *osFile) prepare(end int64) {
	for f.ready < end {
		next := min(f.ready-f.ready%prepareBytes+prepareBytes, int64(len(f.mem)))
		_, _ = f.File.WriteAt(zeros[:next-f.ready], f.ready)
		f.ready = next
	}
}

// copyAt copies the beginning last: a process that is killed in between leaves
// bytes that don't begin with a marker, and so can't be mistaken for a record
// that was whole once.
//
// It turns a page that can't be had (the file was cut by someone else, the
// device fails) into an error.
func (f *osFile) copyAt(p []byte, off int64) (n int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, &fs.PathError{Op: "write to mapping", Path: f.Name(), Err: fmt.Errorf("%w: %v", unix.EIO, r)}
		}
	}()
	const mark = 4
	n = copy(f.mem[off+mark:], p[mark:])
	n += copy(f.mem[off:off+mark], p)
	return n, nil
}

// Origin is made of the machine's id, the file's number and the time at which it
// was made, as far as they can be had. Numbers are used again, times are not. The
// device is left out: it may have another number after every boot.
func (f *osFile) Origin() (Origin, error) {
	var st unix.Statx_t
	const want = unix.STATX_INO | unix.STATX_BTIME | unix.STATX_MTIME
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, want, &st); err != nil {
		return Origin{}, &fs.PathError{Op: "statx", Path: f.Name(), Err: err}
	}
	if st.Mask&unix.STATX_BTIME == 0 {
		st.Btime = unix.StatxTimestamp{}
	}
	machine, _ := os.ReadFile("/etc/machine-id") // a container may have none
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, string(machine), st.Ino, st.Btime.Sec, st.Btime.Nsec)
	return Origin{ID: max(1, h.Sum64()), Modified: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))}, nil
}

// Truncate unmaps, too: what is cut is not written any more, and a burst must not
// keep one mapping for each segment until the next sync. It must not run beside
// WriteAt.
func (f *osFile) Truncate(size int64) error {
	f.unmap()
	return f.File.Truncate(size)
}

// Close unmaps and closes. It must not run beside WriteAt.
func (f *osFile) Close() error {
	f.unmap()
	return f.File.Close()
}

func (f *osFile) unmap() {
	if f.mem != nil {
		_ = unix.Munmap(f.mem)
		f.mem = nil
	}
}

func (f *osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func (osFS) Free(name string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return 0, fmt.Errorf("reading free space of %s: %w", name, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// mediumErrors say that what is on the disk can't be had.
var mediumErrors = []error{errNotPlain, unix.EIO, unix.EUCLEAN, unix.EBADMSG, unix.ENXIO}
