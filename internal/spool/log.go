package spool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Log is an open spool. All methods may be called from any goroutine; its Reader
// is for one goroutine at a time.
//
// Locks, in the order in which they may be taken: wmu, then qmu or mu, then
// cursor.mu. qmu and mu are held for moments, never during a system call. wmu is
// held during a write, never during an fsync of a segment.
type Log struct {
	opts  Options
	ident identity
	id    string // of ident, in hex
	lock  File   // changed with wmu held

	opened   Opened
	since    uint64 // the first number given under ident, if that is a copy's own
	previous string // the identity before

	sealedFrom uint64 // records from this number on are encrypted; 0 if none are known to be
	sealedBy   int    // which of the keys says so; -1 if none

	// qmu guards where callers of Append meet.
	qmu       sync.Mutex
	closed    atomic.Bool // set with qmu held
	gathering *batch      // callers add themselves here
	free      []*batch    // done with, for reuse
	round     *round      // the sync round that has not begun

	// wmu is held by whoever writes: one caller for all that have gathered.
	wmu        sync.Mutex
	active     *segment      // nil until the next write needs one
	nextSeq    atomic.Uint64 // changed with wmu held
	lastTime   int64
	lastRecord uint64 // last record written
	buf        []byte
	listed     time.Time // when the folder was last searched
	broken     backoff   // a disk that refuses is not asked on every call

	// mu guards what is known about the segments, and the counters.
	mu          sync.Mutex
	segments    []*segment    // oldest first; the active one is the last
	retired     []*segment    // delivered, to be removed
	last        uint64        // last record written
	lastWritten int64         // its Time
	space       chan struct{} // closed and replaced when room is made
	full        bool          // the last record found no room
	stats       counters
	todo        []unsynced // scratch of the sync goroutine
	found       []Damage   // to be reported by it
	discarded   []File     // to be closed by it
	lost        []numbers  // not acknowledged, in files that were removed, and reported

	// What doesn't work now.
	folder   fault // see keepFolder
	writing  fault // records
	syncing  fault // segments
	noting   fault // what is delivered, in the cursor
	removing fault // delivered segments

	refusals refusals
	blocked  atomic.Int64 // callers that wait for room

	used   atomic.Int64 // bytes of all segments, set aside ones included
	acked  atomic.Uint64
	cursor *cursor
	reader *Reader
	probe  probe

	// kick asks the sync goroutine for a round now, soon for one when the
	// reader's turn comes; any goroutine sends, without waiting; neither is
	// ever closed. stop is closed by Close, stopped by the sync goroutine.
	kick    chan struct{}
	soon    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
}

// round is one turn of the sync goroutine. done is closed by it; err is valid
// then.
type round struct {
	done chan struct{}
	err  error
}

func newRound() *round { return &round{done: make(chan struct{})} }

// ID returns the identity under which records are given their numbers: 128 random
// bits in hex, made with the spool and kept as long as any of its files, unless
// they are copied: see Predecessor.
func (l *Log) ID() string { return l.id }

// Opened says what Open has found.
type Opened struct {
	New     bool   // there was no log: neither a cursor nor a segment
	Clean   bool   // the log was closed by the last process that had it
	Backlog uint64 // records that were not acknowledged
	SetBack bool   // the caller has seen records that are not there: it is an older state
}

// Opened returns what Open has found.
func (l *Log) Opened() Opened { return l.opened }

// Dir returns the spool's folder.
func (l *Log) Dir() string { return l.opts.Dir }

// Reader returns the log's one reader. It begins after the last record that was
// acknowledged.
func (l *Log) Reader() *Reader { return l.reader }

// Ack tells that everything up to and including seq is delivered and need never
// be read again. The note is written at once, so that it survives kill -9, and
// synced before any segment is removed. seq must have been read.
//
// An error says that the note could not be written: the records would be read
// again after a crash. It is written again with the next Ack or sync.
func (l *Log) Ack(seq uint64) error {
	if l.closed.Load() {
		return ErrClosed
	}
	if read := l.reader.read.Load(); seq > read {
		return fmt.Errorf("spool: record %d can't be acknowledged, the last one read is %d", seq, read)
	}
	l.mu.Lock()
	if seq <= l.acked.Load() {
		l.mu.Unlock()
		return nil
	}
	l.acked.Store(seq)
	l.lost = slices.DeleteFunc(l.lost, func(r numbers) bool { return r.to <= seq })
	l.mu.Unlock()
	if l.retire() {
		signal(l.kick)
	}
	return l.cursor.update(func(p *position) { p.acked = max(p.acked, seq) })
}

// Sync waits until everything appended before the call is on stable storage.
func (l *Log) Sync(ctx context.Context) error {
	l.qmu.Lock()
	if l.closed.Load() {
		l.qmu.Unlock()
		return ErrClosed
	}
	r := l.round
	l.qmu.Unlock()
	signal(l.kick)
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Durable is Sync, and fails as long as an earlier fsync has failed for records that
// are not delivered yet: nobody knows what a power cut would leave of these.
func (l *Log) Durable(ctx context.Context) error {
	if err := l.Sync(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := l.acked.Load()
	for _, s := range l.segments {
		if s.syncErr != nil && s.last > max(acked, s.syncedTo) {
			return s.syncErr
		}
	}
	return nil
}

// Close writes and syncs what is pending, notes that the end is clean and
// releases the folder. What is not acknowledged stays for the next Open. It
// waits for the disk; the Reader fails with ErrClosed from then on. A second
// Close returns ErrClosed.
func (l *Log) Close() error {
	l.qmu.Lock()
	if l.closed.Load() {
		l.qmu.Unlock()
		return ErrClosed
	}
	l.closed.Store(true)
	l.qmu.Unlock()
	close(l.stop)
	<-l.stopped
	l.mu.Lock()
	l.wake()
	l.mu.Unlock()

	l.wmu.Lock() // an Append that had gathered before may still be writing
	l.flush()
	if l.active != nil {
		l.seal(l.active)
	}
	high := l.nextSeq.Load() - 1
	l.wmu.Unlock()
	err := l.syncSegments()
	l.closeFiles()
	clean, closed := err == nil, uint32(l.opts.Now().Unix())
	cerr := l.writeCursor(func(p *position) { p.high, p.clean, p.closed = high, clean, closed })
	if cerr == nil && clean {
		cerr = l.cursor.setModified(l.path(cursorName))
	}
	err = errors.Join(err, l.syncCursor(cerr))
	l.removeRetired()
	l.probe.close()
	return errors.Join(err, l.cursor.file.Close(), l.lock.Close())
}

func (l *Log) path(name string) string { return filepath.Join(l.opts.Dir, name) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wake tells everyone who waits for room. mu is held.
func (l *Log) wake() {
	close(l.space)
	l.space = make(chan struct{})
}

// backoff spaces the attempts at a disk that refuses.
type backoff struct {
	reason Reason
	err    error
	until  time.Time
	wait   time.Duration
}

const (
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = time.Second
)

func (b *backoff) failed(now time.Time, reason Reason, err error) {
	b.reason, b.err = reason, err
	b.wait = min(max(2*b.wait, firstBackoff), maxBackoff)
	b.until = now.Add(b.wait)
}

func (b *backoff) closedAt(now time.Time) bool {
	// A clock that was set back must not keep the spool closed.
	return b.err != nil && now.Before(b.until) && b.until.Sub(now) <= b.wait
}
