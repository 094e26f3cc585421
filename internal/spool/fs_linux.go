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
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		return false, &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return false, &fs.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	f.mem = mem
	return true, nil
}

// WriteAt copies into the mapping where there is one.
func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	if len(p) < frameOverhead || off+int64(len(p)) > int64(len(f.mem)) {
		return f.File.WriteAt(p, off)
	}
	return f.copyAt(p, off)
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
