package spool

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// earlySyncs is how many times in a sync interval the reader may ask for a sync
// ahead of time.
const earlySyncs = 10

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
			l.runRound(true)
			return
		case <-l.kick:
		case <-l.soon:
			if wait := l.opts.SyncInterval/earlySyncs - time.Since(last); wait > 0 {
				timer.Reset(wait)
				continue
			}
		case <-timer.C:
			segments = l.opts.Sync != SyncNone
		}
		l.runRound(segments)
		last = time.Now()
		timer.Reset(l.opts.SyncInterval)
	}
}

// runRound writes what callers have left to it, syncs, removes what is delivered
// and tells all who wait for this round.
func (l *Log) runRound(segments bool) {
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
	l.closeFiles()
	r.err = errors.Join(r.err, l.syncCursor(l.writeCursor(func(*position) {})))
	freed := l.removeRetired()
	l.wmu.Lock()
	l.lookForRoom(freed)
	l.wmu.Unlock()
	l.tellTaken()
	close(r.done)
	l.reader.visible()
}

// unsynced is what one segment needs synced, as it was when the round began.
type unsynced struct {
	seg     *segment
	file    File
	size    int64
	last    uint64
	unnamed bool
}

// syncSegments makes every record written so far durable. A segment whose fsync
// fails is given up: the kernel may have thrown its dirty pages away and would
// call a second fsync a success. It is sealed, those who wait for its records
// are told, and the log goes on in a new file. Its records are still read and
// delivered as long as they can be.
func (l *Log) syncSegments() error {
	start := time.Now()
	todo, unnamed := l.unsyncedSegments()
	if len(todo) == 0 {
		return nil
	}
	var errs, dirErr error
	if unnamed {
		if dirErr = l.opts.FS.SyncDir(l.opts.Dir); dirErr != nil {
			dirErr = fmt.Errorf("spool: syncing folder %s: %w", l.opts.Dir, dirErr)
		}
	}
	for _, u := range todo {
		err := u.sync(l)
		if err != nil {
			err = fmt.Errorf("spool: syncing segment %s: %w", u.seg.name, err)
		} else if u.unnamed {
			err = dirErr
		}
		if err != nil {
			l.giveUpSyncing(u.seg, err)
			errs = errors.Join(errs, err)
			continue
		}
		l.markSynced(u)
	}
	clear(todo)
	l.syncing.set(errs)
	l.stats.syncs.Add(1)
	l.stats.lastSyncTook.Store(int64(time.Since(start)))
	if errs != nil {
		l.stats.syncErrors.Add(1)
	} else {
		now := l.opts.Now()
		l.stats.lastSync.Store(&now)
	}
	return errs
}

// unsyncedSegments returns what is to be synced, oldest first, and whether the
// folder is, too.
func (l *Log) unsyncedSegments() (todo []unsynced, unnamed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	todo = l.todo[:0]
	for _, s := range l.segments {
		if s.synced < s.size {
			todo = append(todo, unsynced{s, s.file, s.size, s.last, s.unnamed})
			unnamed = unnamed || s.unnamed
		}
	}
	l.todo = todo
	return todo, unnamed
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

func (l *Log) markSynced(u unsynced) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u.file != nil && u.file != u.seg.file {
		return // it was written anew meanwhile
	}
	u.seg.unnamed = false
	u.seg.synced, u.seg.syncedTo = u.size, u.last
}

func (l *Log) giveUpSyncing(seg *segment, err error) {
	l.wmu.Lock()
	l.seal(seg)
	l.wmu.Unlock()
	l.mu.Lock()
	seg.sealed = true
	seg.syncErr = err
	seg.synced = seg.size
	l.mu.Unlock()
	l.opts.Logger.Error("spool: fsync failed; the segment's newest records may not survive a power cut, going on in a new segment",
		"dir", l.opts.Dir, "segment", seg.name, "error", err)
}

// closeFiles closes the files of segments that need them no more.
func (l *Log) closeFiles() {
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
	now := l.cursor.position()
	then := now
	then.written, then.lastTime, then.synced = max(now.written, written), lastTime, max(now.synced, synced)
	change(&then)
	if then == now {
		return nil
	}
	return l.cursor.update(func(p *position) {
		p.written, p.lastTime, p.synced = then.written, then.lastTime, then.synced
		change(p)
	})
}

// syncCursor makes the cursor durable. err is what writing it has given.
func (l *Log) syncCursor(err error) error {
	if err == nil {
		_, err = l.cursor.sync()
	}
	l.noting.set(err)
	if err != nil {
		l.stats.cursorErrors.Add(1)
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
