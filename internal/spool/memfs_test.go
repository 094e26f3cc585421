package spool

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// memFS is a disk in memory that keeps apart what has been written and what has
// been synced, as a kernel does, so that a test can cut the power. Every call
// passes through fault, which can make it fail.
type memFS struct {
	mu      sync.Mutex
	dir     map[string]*inode // as a process sees it
	durable map[string]*inode // as the disk has it
	boot    int               // handles of earlier boots are dead
	calls   int
	dead    bool   // a test let the process die in the middle of a call
	direct  bool   // what Reserve says
	origin  uint64 // what Origin says; another one makes all of it a copy
	opened  int    // files
	room    int64  // bytes all files may have; 0: no limit

	// fault returns an error for the n-th call, which is an op on name. A
	// short write is one that fails with short set.
	fault func(n int, op, name string) error
}

type inode struct {
	locked   bool
	modified time.Time
	data     []byte // with what is in the page cache
	durable  []byte
	dirty    []span
}

type span struct{ from, to int }

// errShort makes a write write a part and fail with ENOSPC.
var errShort = &os.PathError{Op: "write", Path: "short", Err: syscall.ENOSPC}

func newMemFS() *memFS {
	return &memFS{dir: map[string]*inode{}, durable: map[string]*inode{}}
}

func (m *memFS) enter(op, name string) (leave func(), err error) {
	m.mu.Lock()
	m.calls++
	if m.fault != nil {
		err = m.fault(m.calls, op, filepath.Base(name))
	}
	return m.mu.Unlock, err
}

// kill ends the process: what is written stays, handles and the lock go.
func (m *memFS) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boot++
	m.opened = 0
	for _, f := range m.dir {
		f.locked = false
	}
	m.fault = nil
}

// powerCut ends the machine: of what is not synced, each 512-byte sector and
// each name may or may not have reached the disk.
func (m *memFS) powerCut(rnd *rand.Rand) {
	m.kill()
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(maps.Keys(m.dir))
	for name := range m.durable {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	keep := rnd.IntN(3) // none of it, all of it, some of it
	after := map[string]*inode{}
	for _, name := range names {
		was, is := m.durable[name], m.dir[name]
		if was != is && (keep == 1 || keep == 2 && rnd.IntN(2) == 0) {
			was = is
		}
		if was != nil {
			after[name] = was
		}
	}
	for _, name := range names {
		f := after[name]
		if f == nil {
			continue
		}
		disk := f.durable
		for _, d := range f.dirty {
			for at := d.from; at < d.to; at = (at/512 + 1) * 512 {
				end := min((at/512+1)*512, d.to)
				if keep == 1 || keep == 2 && rnd.IntN(2) == 0 {
					if len(disk) < end {
						disk = append(disk, make([]byte, end-len(disk))...)
					}
					copy(disk[at:end], f.data[min(at, len(f.data)):min(end, len(f.data))])
				}
			}
		}
		f.durable = disk
		f.data = slices.Clone(disk)
		f.dirty = nil
	}
	m.dir, m.durable = after, maps.Clone(after)
}

func (m *memFS) crashed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *memFS) used() (n int64) {
	for _, f := range m.dir {
		n += int64(len(f.data))
	}
	return n
}

// file returns what is in a file, for a test to damage.
func (m *memFS) file(name string) *inode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dir[name]
}

func (m *memFS) names(ext string) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.dir {
		if filepath.Ext(name) == ext {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// damage changes a file behind everyone's back.
func (m *memFS) damage(name string, change func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.dir[name]
	f.data = change(f.data)
	f.durable = slices.Clone(f.data)
	f.dirty = nil
}

func (m *memFS) OpenFile(name string, flag int, _ fs.FileMode) (File, error) {
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	f, err := m.openFile(op, name, flag)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (m *memFS) openFile(op, name string, flag int) (*memFile, error) {
	leave, err := m.enter(op, name)
	defer leave()
	if err != nil {
		return nil, err
	}
	base := filepath.Base(name)
	f := m.dir[base]
	switch {
	case f == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case f != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case f == nil:
		f = &inode{}
		m.dir[base] = f
	}
	m.opened++
	return &memFile{m: m, f: f, name: base, boot: m.boot}, nil
}

func (m *memFS) ReadDir(name string) ([]fs.DirEntry, error) {
	leave, err := m.enter("readdir", name)
	defer leave()
	if err != nil {
		return nil, err
	}
	var list []fs.DirEntry
	for _, n := range slices.Sorted(maps.Keys(m.dir)) {
		list = append(list, memEntry{n, int64(len(m.dir[n].data))})
	}
	return list, nil
}

func (m *memFS) MakeDir(name string) error {
	leave, err := m.enter("mkdir", name)
	defer leave()
	return err
}

func (m *memFS) Rename(from, to string) error {
	leave, err := m.enter("rename", from)
	defer leave()
	if err != nil {
		return err
	}
	f := m.dir[filepath.Base(from)]
	if f == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.dir, filepath.Base(from))
	m.dir[filepath.Base(to)] = f
	return nil
}

func (m *memFS) Remove(name string) error {
	leave, err := m.enter("remove", name)
	defer leave()
	if err != nil {
		return err
	}
	if m.dir[filepath.Base(name)] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.dir, filepath.Base(name))
	return nil
}

func (m *memFS) SyncDir(name string) error {
	leave, err := m.enter("syncdir", name)
	defer leave()
	if err == nil {
		m.durable = maps.Clone(m.dir)
	}
	return err
}

func (m *memFS) Free(string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room == 0 {
		return 1 << 40, nil
	}
	return max(0, m.room-m.used()), nil
}

func (m *memFS) Lock(name string) (File, error) {
	f, err := m.openFile("lock", name, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.f.locked {
		m.opened--
		return nil, errLockHeld
	}
	f.f.locked = true
	m.opened-- // it is not one of those that tests count
	return &memLock{memFile: f}, nil
}

type memLock struct {
	*memFile
	released bool
}

func (k *memLock) Close() error {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if k.m.boot == k.boot && !k.released {
		k.f.locked = false
	}
	k.released = true
	return nil
}
