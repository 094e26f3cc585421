package spool

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// eagerness is how many times in a sync interval the reader may ask for a sync
// ahead of time.
const eagerness = 10

// syncLoop is the one goroutine that syncs and removes files.
func (l *Log) syncLoop() {
	defer close(l.stopped)
	last := time.Now()
	timer := time.NewTimer(l.opts.SyncInterval)
	defer timer.Stop()
	for {
		segments := true
		select {
		case <-l.stop:
			l.turn(true)
			return
		case <-l.kick:
		case <-l.soon:
			if wait := l.opts.SyncInterval/eagerness - time.Since(last); wait > 0 {
				timer.Reset(wait)
				continue
			}
		case <-timer.C:
			segments = l.opts.Sync != SyncNone
		}
		l.turn(segments)
		last = time.Now()
		timer.Reset(l.opts.SyncInterval)
	}
}

// turn writes what callers have left to it, syncs, removes what is delivered and
// tells all who wait for this round.
func (l *Log) turn(segments bool) {
	l.qmu.Lock()
	r := l.round
	l.round = newRound()
	l.qmu.Unlock()
	l.keepFolder()
	l.wmu.Lock()
	l.flush()
	l.wmu.Unlock()
	if segments {
		r.err = l.syncSegments()
	}
	l.release()
	r.err = errors.Join(r.err, l.syncCursor(l.writeCursor(func(*position) {})))
	freed := l.removeDead()
	l.wmu.Lock()
	l.mend(freed)
	l.wmu.Unlock()
	l.tellTaken()
	close(r.done)
	l.reader.visible()
}

// syncSegments makes every record written so far durable. A segment whose fsync
// fails is given up: the kernel may have thrown its dirty pages away and would
// call a second fsync a success. It is sealed, those who wait for its records
// are told, and the log goes on in a new file. Its records are still read and
// delivered as long as they can be.
func (l *Log) syncSegments() error {
	start := time.Now()
	l.mu.Lock()
	todo := l.todo[:0]
	for _, s := range l.segments {
		if s.synced < s.size {
			todo = append(todo, unsynced{s, s.file, s.size, s.last, s.newborn})
		}
	}
	l.todo = todo
	l.mu.Unlock()
	if len(todo) == 0 {
		return nil
	}
	var errs, dirErr error
	for i := range todo {
		if todo[i].newborn {
			if dirErr = l.opts.FS.SyncDir(l.opts.Dir); dirErr != nil {
				dirErr = fmt.Errorf("spool: syncing folder %s: %w", l.opts.Dir, dirErr)
			}
			break
		}
	}
	for _, u := range todo {
		err := u.sync(l)
		if err != nil {
			err = fmt.Errorf("spool: syncing segment %s: %w", u.seg.name, err)
		} else if u.newborn {
			err = dirErr
		}
		if err != nil {
			l.giveUp(u.seg, err)
			errs = errors.Join(errs, err)
			continue
		}
		l.mu.Lock()
		if u.file == nil || u.seg.file == u.file { // else it was written anew meanwhile
			u.seg.newborn = false
			u.seg.synced, u.seg.syncedTo = u.size, u.last
		}
		l.mu.Unlock()
	}
	clear(todo)
	l.mu.Lock()
	l.stats.syncs++
	l.stats.lastSyncErr = errs
	l.stats.lastSyncTook = time.Since(start)
	if errs != nil {
		l.stats.syncErrors++
	} else {
		l.stats.lastSync = l.opts.Now()
	}
	l.mu.Unlock()
	return errs
}

// unsynced is what one segment needs synced, as it was when the round began.
type unsynced struct {
	seg     *segment
	file    File
	size    int64
	last    uint64
	newborn bool
}

func (u unsynced) sync(l *Log) error {
	if u.file != nil {
		return u.file.Sync()
	}
	// A segment from before this Open: it was written, but a power cut may
	// still take it.
	f, err := l.opts.FS.OpenFile(l.path(u.seg.name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (l *Log) giveUp(seg *segment, err error) {
	l.wmu.Lock()
	if l.active == seg {
		l.seal(seg)
	}
	l.wmu.Unlock()
	l.mu.Lock()
	seg.sealed = true
	seg.syncErr = err
	seg.synced = seg.size
	l.mu.Unlock()
	l.opts.Logger.Error("spool: fsync failed; the segment's newest records may not survive a power cut, going on in a new segment",
		"dir", l.opts.Dir, "segment", seg.name, "error", err)
}

// release closes the files of segments that need them no more.
func (l *Log) release() {
	l.mu.Lock()
	files := l.discarded
	l.discarded = nil
	for _, s := range l.segments {
		if s.sealed && s.file != nil && (s.synced == s.size || l.opts.Sync == SyncNone) {
			files = append(files, s.file)
			s.file = nil
		}
	}
	l.mu.Unlock()
	for _, f := range files {
		_ = f.Close() // all is synced, or is known not to be
	}
}

// writeCursor brings the cursor up to date.
func (l *Log) writeCursor(change func(*position)) error {
	l.mu.Lock()
	written, lastTime, synced := l.last, l.lastWritten, uint64(0)
	for i := len(l.segments) - 1; i >= 0 && synced == 0; i-- {
		synced = l.segments[i].syncedTo
	}
	l.mu.Unlock()
	was := l.cursor.position()
	p := was
	p.written, p.lastTime = max(p.written, written), lastTime
	p.synced = max(p.synced, synced)
	change(&p)
	if p == was {
		return nil
	}
	return l.cursor.update(func(q *position) {
		q.written, q.lastTime, q.synced = p.written, p.lastTime, p.synced
		change(q)
	})
}

// syncCursor makes the cursor durable. err is what writing it has given.
func (l *Log) syncCursor(err error) error {
	if err == nil {
		_, err = l.cursor.sync()
	}
	if err != nil {
		l.mu.Lock()
		l.stats.cursorErrors++
		l.stats.lastCursorErr = err
		l.mu.Unlock()
		return fmt.Errorf("spool: %w", err)
	}
	l.mu.Lock()
	l.stats.lastCursorErr = nil
	l.mu.Unlock()
	return nil
}

// bury takes delivered segments off the list. They are removed by the sync
// goroutine, once a durable cursor says that they are delivered.
func (l *Log) bury() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := l.acked.Load()
	n := 0
	for n < len(l.segments) && l.segments[n].sealed {
		var next *segment
		if n+1 < len(l.segments) {
			next = l.segments[n+1]
		}
		upTo := l.segments[n].upTo(next)
		if upTo == 0 || upTo > acked {
			break
		}
		l.segments[n].last = upTo
		n++
	}
	if n == 0 {
		return false
	}
	l.dead = append(l.dead, l.segments[:n]...)
	l.segments = append(l.segments[:0:0], l.segments[n:]...)
	return true
}

// removeDead removes delivered segments, or sets them aside if they are damaged.
// The cursor that says so is durable before; the order is what makes a crash in
// between harmless: a segment that is back is delivered already, as the cursor
// knows, and is removed then.
func (l *Log) removeDead() (freed bool) {
	l.mu.Lock()
	dead := l.dead
	l.dead = nil
	l.mu.Unlock()
	if len(dead) == 0 {
		return false
	}
	p, err := l.cursor.sync()
	var kept []*segment
	for _, s := range dead {
		if err != nil || s.last > p.acked {
			kept = append(kept, s)
			continue
		}
		if rerr := l.removeSegment(s); rerr != nil {
			kept = append(kept, s)
			l.mu.Lock()
			l.stats.removeErrors++
			l.stats.lastRemoveErr = rerr
			l.mu.Unlock()
		}
	}
	if len(kept) < len(dead) {
		l.probe.close() // its file must not keep the space
		// A removal that a power cut undoes is done again by the next Open.
		_ = l.opts.FS.SyncDir(l.opts.Dir)
	}
	l.mu.Lock()
	l.dead = append(kept, l.dead...)
	l.full = l.full && len(kept) == len(dead)
	if len(kept) == 0 {
		l.stats.lastRemoveErr = nil
	}
	l.wake()
	l.mu.Unlock()
	return len(kept) < len(dead)
}

func (l *Log) removeSegment(s *segment) error {
	l.mu.Lock()
	f := s.file
	s.file = nil
	damaged, size, unlinked := s.damaged, s.size, s.unlinked
	l.mu.Unlock()
	if f != nil {
		_ = f.Close()
	}
	if unlinked {
		l.used.Add(-size)
		return nil
	}
	if damaged {
		_, err := l.setAside(s.name)
		if err == nil {
			l.mu.Lock()
			l.stats.setAsideBytes += size
			l.mu.Unlock()
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if l.evicted() {
		return *l.outOfPlace.Load()
	}
	if err := l.opts.FS.Remove(l.path(s.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("spool: removing segment %s: %w", s.name, err)
	}
	l.used.Add(-size)
	return nil
}

// setAside renames a file so that it is neither read nor removed.
func (l *Log) setAside(name string) (string, error) {
	if l.evicted() {
		return "", *l.outOfPlace.Load()
	}
	// The time keeps it from replacing one that was set aside before.
	to := fmt.Sprintf("%s.%d%s", name, l.opts.Now().UnixNano(), badExt)
	if err := l.opts.FS.Rename(l.path(name), l.path(to)); err != nil {
		return "", fmt.Errorf("spool: setting %s aside: %w", name, err)
	}
	l.mu.Lock()
	l.stats.setAside++
	l.mu.Unlock()
	return to, nil
}
