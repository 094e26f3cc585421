package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// What becomes of a log whose folder, or a file in it, is taken away while it is
// open. The kernel goes on writing files that have no name any more; so without
// looking, records would be accepted that no later process finds.

// listEvery is how often the folder is searched for closed segments that were
// removed. The reader would find that out, too, but only when it comes there.
const listEvery = 10 * time.Second

// keepFolder makes sure that the files in use still have their names in the
// folder, and writes anew those that don't. While that fails, records are
// refused. It runs before every sync.
func (l *Log) keepFolder() {
	defer l.reportFound()
	if l.evicted() {
		return
	}
	whole, err := l.filesInPlace()
	if err != nil {
		return // what can't be looked at is not known to be gone
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if !whole {
		l.restoreFiles()
	} else if now := l.opts.Now(); now.Sub(l.listed) >= listEvery || now.Before(l.listed) || l.closed.Load() {
		l.listed = now
		if there, err := l.fileSizes(); err == nil {
			l.loseRemoved(there)
		}
	}
}

// filesInPlace tells whether the files that are open still have their names.
func (l *Log) filesInPlace() (bool, error) {
	l.wmu.Lock()
	lock := l.lock
	l.wmu.Unlock()
	if named, err := lock.Named(l.path(lockName)); err != nil || !named {
		return named, err
	}
	if named, err := l.cursor.named(l.path(cursorName)); err != nil || !named {
		return named, err
	}
	for _, o := range l.listSegments(true) {
		if named, err := o.file.Named(l.path(o.seg.name)); err != nil || !named {
			return named, err
		}
	}
	return l.folder.get() == nil, nil
}

// restoreFiles writes anew what is not in its place. wmu is held; what was found
// is reported by the sync goroutine, which holds no lock.
func (l *Log) restoreFiles() {
	err := l.putFilesBack()
	if err == nil {
		if l.folder.swap(nil) != nil {
			l.opts.Logger.Info("the spool's folder can be used again", "dir", l.opts.Dir)
		}
		return
	}
	err = fmt.Errorf("folder %s was removed or replaced and can't be made again: %w", l.opts.Dir, err)
	if l.folder.swap(err) == nil {
		l.opts.Logger.Error("the spool's folder is gone; records are refused until it can be made again", "dir", l.opts.Dir, "error", err)
	}
}

func (l *Log) reportFound() {
	l.mu.Lock()
	found := l.found
	l.found = nil
	l.mu.Unlock()
	for _, d := range found {
		l.report(d)
	}
}

func (l *Log) noteFound(d Damage) {
	l.mu.Lock()
	l.found = append(l.found, d)
	l.mu.Unlock()
}

// evicted tells that another process has the folder. What is there is its own from
// then on, also after its end: this process must not touch it.
func (l *Log) evicted() bool {
	return errors.Is(l.folder.get(), ErrLocked)
}

// openSegment is a segment with the file through which all of it can be read, nil
// if none is open.
type openSegment struct {
	seg  *segment
	file File
	size int64
}

// listSegments returns the segments that are open, or those that are not.
func (l *Log) listSegments(open bool) (list []openSegment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		f := s.file
		if f == nil {
			f = s.reading
		}
		if open == (f != nil) {
			list = append(list, openSegment{s, f, s.size})
		}
	}
	return list
}

// putFilesBack makes the folder again, takes its lock, and writes anew the cursor
// and every segment that is open. What is closed and not there is lost.
func (l *Log) putFilesBack() error {
	if named, err := l.lock.Named(l.path(lockName)); err != nil {
		return err
	} else if !named {
		if err := l.takeAgain(); err != nil {
			return err
		}
		l.noteFound(Damage{File: lockName, Reason: DamageRemoved})
	}
	if named, err := l.cursor.named(l.path(cursorName)); err != nil {
		return err
	} else if !named {
		old, err := l.cursor.replace(l.opts.FS, l.opts.Dir)
		if err != nil {
			return fmt.Errorf("writing the cursor anew: %w", err)
		}
		l.discard(old)
		l.noteFound(Damage{File: cursorName, Reason: DamageRemoved})
	}
	there, err := l.fileSizes()
	if err != nil {
		return err
	}
	l.loseRemoved(there)
	for _, o := range l.listSegments(true) {
		if named, err := o.file.Named(l.path(o.seg.name)); err != nil {
			return err
		} else if named {
			continue
		}
		if size, taken := there[o.seg.name]; taken {
			if _, err := l.setForeignAside(o.seg.name, size); err != nil {
				return err
			}
		}
		if err := l.putBack(o); err != nil {
			return err
		}
		l.noteFound(Damage{File: o.seg.name, Reason: DamageRemoved})
	}
	return nil
}

// fileSizes returns the size of every file in the folder, by name.
func (l *Log) fileSizes() (map[string]int64, error) {
	entries, err := l.opts.FS.ReadDir(l.opts.Dir)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(entries))
	for _, e := range entries {
		if at, err := e.Info(); err == nil {
			sizes[e.Name()] = at.Size()
		}
	}
	return sizes, nil
}

// takeAgain takes the folder that stands where the log's own was, made if need
// be. Records found in it are not the log's, or an older state of it: they are
// set aside, so that the next Open does not take them for its own.
func (l *Log) takeAgain() error {
	lock, err := lockDir(l.opts)
	if err != nil {
		return err
	}
	if err := l.setReplacementsAside(); err != nil {
		return errors.Join(err, lock.Close())
	}
	old := l.lock
	l.lock = lock
	return old.Close()
}

func (l *Log) setReplacementsAside() error {
	there, err := l.fileSizes()
	if err != nil {
		return err
	}
	if named, err := l.cursor.named(l.path(cursorName)); err != nil {
		return err
	} else if named {
		return nil // only the lock was removed
	}
	l.mu.Lock()
	ours := map[string]bool{}
	for _, s := range slices.Concat(l.segments, l.retired) {
		ours[s.name] = true
	}
	l.mu.Unlock()
	for name, size := range there {
		if _, ok := parseSegmentName(name); name != cursorName && !ok || ours[name] && l.holdsOurs(name) {
			continue
		}
		to, err := l.setForeignAside(name, size)
		if err != nil {
			return err
		}
		l.opts.Logger.Warn("the spool's folder was replaced; a file of the new one was set aside", "dir", l.opts.Dir, "file", name, "set_aside_as", to)
	}
	return nil
}

// setForeignAside sets a file aside that has not been counted yet.
func (l *Log) setForeignAside(name string, size int64) (string, error) {
	to, err := l.setAside(name, size)
	if err == nil {
		l.used.Add(size)
	}
	return to, err
}

// holdsOurs tells that the segment file name is this log's, as far as its header
// says.
func (l *Log) holdsOurs(name string) bool {
	f, err := l.opts.FS.OpenFile(l.path(name), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, headerSize)
	n, _ := f.ReadAt(b, 0)
	h, ok := parseHeader(b[:n])
	return ok && h.secret == l.ident.secret
}

// putBack writes an open segment's content to a new file under its name. Nothing
// more is written to it then.
func (l *Log) putBack(o openSegment) error {
	l.seal(o.seg)
	name := l.path(o.seg.name)
	f, err := l.opts.FS.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	b := make([]byte, writeChunk)
	for at := int64(0); at < o.size && err == nil; {
		n, rerr := o.file.ReadAt(b[:min(int64(len(b)), o.size-at)], at)
		_, werr := f.WriteAt(b[:n], at)
		if at += int64(n); rerr == io.EOF && at == o.size {
			rerr = nil
		}
		err = errors.Join(rerr, werr)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing segment %s anew: %w", name, err), f.Close(), l.opts.FS.Remove(name))
	}
	l.mu.Lock()
	old := o.seg.file
	o.seg.file, o.seg.reading = f, nil // the reader goes on with the old one
	o.seg.synced, o.seg.syncedTo, o.seg.unnamed = 0, 0, true
	l.mu.Unlock()
	if old != nil {
		l.discard(old)
	}
	return nil
}

// discard leaves a file to the sync goroutine to close, which may be using it.
func (l *Log) discard(f File) {
	l.mu.Lock()
	l.discarded = append(l.discarded, f)
	l.mu.Unlock()
}

// loseRemoved gives up the closed segments whose files are not there. wmu is held,
// so that none is being made.
func (l *Log) loseRemoved(there map[string]int64) {
	for _, o := range l.listSegments(false) {
		if _, ok := there[o.seg.name]; !ok {
			l.lose(o.seg)
		}
	}
}

// lose takes a segment off the list whose file is gone, and counts what was in it
// and not read: it is to be known at once, not when the reader comes there.
func (l *Log) lose(seg *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.segments, seg)
	if i < 0 {
		return
	}
	var next *segment
	if i+1 < len(l.segments) {
		next = l.segments[i+1]
	}
	d := Damage{File: seg.name, Reason: DamageMissing}
	from, to := max(seg.first-1, l.acked.Load(), l.reader.read.Load()), seg.upTo(next)
	if to > from {
		d.Bytes, d.Records, d.First, d.Last = seg.size, to-from, from+1, to
		l.lost = append(l.lost, numbers{from + 1, to})
	}
	l.segments = slices.Delete(slices.Clone(l.segments), i, i+1)
	l.used.Add(-seg.size)
	l.found = append(l.found, d)
}

// numbers is a range, both ends included.
type numbers struct{ from, to uint64 }

// countedLost returns how many of the numbers from..to lose has counted. mu is
// held.
func (l *Log) countedLost(from, to uint64) (n uint64) {
	for _, r := range l.lost {
		if low, high := max(r.from, from), min(r.to, to); low <= high {
			n += high - low + 1
		}
	}
	return n
}
