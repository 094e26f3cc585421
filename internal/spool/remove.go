package spool

import (
	"errors"
	"fmt"
	"os"
)

// retire takes delivered segments off the list. They are removed by the sync
// goroutine, once a durable cursor says that they are delivered.
func (l *Log) retire() bool {
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
	l.retired = append(l.retired, l.segments[:n]...)
	l.segments = append(l.segments[:0:0], l.segments[n:]...)
	return true
}

// removeRetired removes delivered segments, or sets them aside if they are damaged.
// The cursor that says so is durable before; the order is what makes a crash in
// between harmless: a segment that is back is delivered already, as the cursor
// knows, and is removed then.
func (l *Log) removeRetired() (freed bool) {
	l.mu.Lock()
	retired := l.retired
	l.retired = nil
	l.mu.Unlock()
	if len(retired) == 0 {
		return false
	}
	var p position
	var err error
	if l.opts.BeforeRemove != nil {
		err = l.opts.BeforeRemove()
	}
	if err == nil {
		p, err = l.cursor.sync()
	}
	var kept []*segment
	for _, s := range retired {
		if err != nil || s.last > p.acked {
			kept = append(kept, s)
			continue
		}
		if rerr := l.removeSegment(s); rerr != nil {
			kept = append(kept, s)
			l.stats.removeErrors.Add(1)
			l.removing.set(rerr)
		}
	}
	if freed = len(kept) < len(retired); freed {
		l.probe.close() // its file must not keep the space
		// A removal that a power cut undoes is done again by the next Open.
		_ = l.opts.FS.SyncDir(l.opts.Dir)
	}
	if len(kept) == 0 {
		l.removing.set(nil)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = append(kept, l.retired...)
	l.full = l.full && !freed
	l.wake()
	return freed
}

func (l *Log) removeSegment(s *segment) error {
	if l.evicted() {
		return l.folder.get()
	}
	l.mu.Lock()
	f, damaged, size, unlinked := s.file, s.damaged, s.size, s.unlinked
	s.file = nil
	l.mu.Unlock()
	if f != nil {
		_ = f.Close()
	}
	switch {
	case unlinked:
	case damaged:
		_, err := l.setAside(s.name, size)
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	default:
		if err := l.opts.FS.Remove(l.path(s.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("spool: removing segment %s: %w", s.name, err)
		}
	}
	l.used.Add(-size)
	return nil
}

// setAside renames a file of that many bytes so that it is neither read nor
// removed.
func (l *Log) setAside(name string, size int64) (string, error) {
	if l.evicted() {
		return "", l.folder.get()
	}
	// The time keeps it from replacing one that was set aside before.
	to := fmt.Sprintf("%s.%d%s", name, l.opts.Now().UnixNano(), badExt)
	if err := l.opts.FS.Rename(l.path(name), l.path(to)); err != nil {
		return "", fmt.Errorf("spool: setting %s aside: %w", name, err)
	}
	l.stats.setAside.Add(1)
	l.stats.setAsideBytes.Add(size)
	return to, nil
}
