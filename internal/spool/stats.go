package spool

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Stats is what is known about a spool at one moment.
type Stats struct {
	NextSeq  uint64 // the number the next record will get
	AckedSeq uint64 // everything up to here is delivered

	// BacklogEvents counts the numbers between the cursor and the last
	// record; numbers of refused records among them count too.
	BacklogEvents uint64
	BacklogBytes  int64         // bytes of segments not yet delivered
	OldestAge     time.Duration // age of the oldest record not delivered, by its Time; 0 if there is none

	Segments  int   // files that hold records
	DiskBytes int64 // all segments, those set aside included
	FreeBytes int64 // free on the file system, -1 if not known
	MaxBytes  int64 // the limit of DiskBytes

	AppendedRecords uint64            // since Open
	AppendedBytes   uint64            // since Open, frames included
	Dropped         map[Reason]uint64 // since Open; has every Reason
	Blocked         int               // callers that wait for room now

	Syncs        uint64        // rounds of fsync since Open
	LastSync     time.Time     // when the last one succeeded; zero if none did
	LastSyncTook time.Duration //
	SyncErrors   uint64        // fsyncs of records that failed; each gave a segment up
	CursorErrors uint64        // writes or fsyncs of the cursor that failed
	WriteErrors  uint64        // writes of records that failed
	RemoveErrors uint64        // delivered files that could not be removed
	ClockResets  uint64        // how often Time went back because the clock had been wrong

	DamageFound   map[DamageReason]uint64 // since Open; has every DamageReason
	RecordsLost   uint64                  // by damage, since Open
	BytesSkipped  int64                   // by damage, since Open
	FilesSetAside uint64                  // since Open
	SetAsideBytes int64                   // of all files set aside, older ones included
}

type counters struct {
	appended, appendedBytes uint64

	syncs, syncErrors, cursorErrors, writeErrors, removeErrors, clockResets uint64
	lastSync                                                                time.Time
	lastSyncTook                                                            time.Duration
	lastSyncErr, lastCursorErr, lastWriteErr, lastRemoveErr                 error

	found         [len(damageReasons)]uint64 // as DamageReasons
	recordsLost   uint64
	bytesSkipped  int64
	setAside      uint64
	setAsideBytes int64
}

func (c *counters) damage(d Damage) {
	c.found[slices.Index(damageReasons[:], d.Reason)]++
	c.recordsLost += d.Records
	c.bytesSkipped += d.Bytes
}

// NextSeq returns the number the next record will get.
func (l *Log) NextSeq() uint64 { return l.nextSeq.Load() }

// Backlog returns how many records are not acknowledged, as Stats.BacklogEvents.
func (l *Log) Backlog() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.backlog()
}

// backlog is Backlog. mu is held.
func (l *Log) backlog() uint64 {
	acked := l.acked.Load()
	if l.last <= acked {
		return 0
	}
	return l.last - acked - l.countedLost(acked+1, l.last)
}

// Stats returns the state of the spool. It reads a little from the disk to tell
// the age of the oldest record, and can be called every few seconds.
func (l *Log) Stats() Stats {
	free, err := l.opts.FS.Free(l.opts.Dir)
	if err != nil {
		free = -1
	}
	oldest, seg, offset, ok := l.probe.oldest(l)
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.stats
	s := Stats{
		NextSeq: l.nextSeq.Load(), AckedSeq: l.acked.Load(),
		Segments: len(l.segments), DiskBytes: l.used.Load(), FreeBytes: free, MaxBytes: l.opts.MaxBytes,
		AppendedRecords: c.appended, AppendedBytes: c.appendedBytes, Blocked: int(l.blocked.Load()),
		Syncs: c.syncs, LastSync: c.lastSync, LastSyncTook: c.lastSyncTook,
		SyncErrors: c.syncErrors, CursorErrors: c.cursorErrors, WriteErrors: c.writeErrors, RemoveErrors: c.removeErrors,
		ClockResets: c.clockResets, RecordsLost: c.recordsLost, BytesSkipped: c.bytesSkipped,
		FilesSetAside: c.setAside, SetAsideBytes: c.setAsideBytes,
		Dropped:     make(map[Reason]uint64, len(reasons)),
		DamageFound: make(map[DamageReason]uint64, len(damageReasons)),
	}
	for i, n := range l.refusals.totals() {
		s.Dropped[reasons[i]] = n
	}
	for i, r := range damageReasons {
		s.DamageFound[r] = c.found[i]
	}
	if s.BacklogEvents = l.backlog(); s.BacklogEvents > 0 {
		for _, b := range l.segments {
			switch {
			case ok && b.first == seg:
				s.BacklogBytes += b.size - offset
			case !ok || b.first > seg:
				s.BacklogBytes += b.size - headerSize
			}
		}
		if ok {
			s.OldestAge = max(0, now.Sub(time.Unix(0, oldest)))
		}
	}
	return s
}

// Health returns nil if the spool takes records and keeps its promises, else what
// is wrong now and what can be done.
func (l *Log) Health() error {
	if l.closed.Load() {
		return ErrClosed
	}
	cursorErr := l.cursor.failing()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.stats
	var errs []error
	if err := l.outOfPlace.Load(); err != nil {
		errs = append(errs, fmt.Errorf("spool refuses records, see to its folder: %w", *err))
	}
	if c.lastWriteErr != nil {
		errs = append(errs, fmt.Errorf("spool %s refuses records, free or repair its disk: %w", l.opts.Dir, c.lastWriteErr))
	}
	if c.lastSyncErr != nil {
		errs = append(errs, fmt.Errorf("records of spool %s may not survive a power cut, check its disk: %w", l.opts.Dir, c.lastSyncErr))
	}
	if err := cmp.Or(c.lastCursorErr, cursorErr); err != nil {
		errs = append(errs, fmt.Errorf("spool %s can't note what is delivered, after a crash it would be sent again, check its disk: %w", l.opts.Dir, err))
	}
	if c.lastRemoveErr != nil {
		errs = append(errs, fmt.Errorf("spool %s can't free delivered segments, check the folder's permissions: %w", l.opts.Dir, c.lastRemoveErr))
	}
	if l.full {
		errs = append(errs, fmt.Errorf("spool %s has reached its limit of %d bytes, raise it or see to the delivery", l.opts.Dir, l.opts.MaxBytes))
	}
	if c.setAsideBytes > l.opts.MaxBytes/2 {
		errs = append(errs, fmt.Errorf("files set aside as damaged take %d of the %d bytes of spool %s, move them away", c.setAsideBytes, l.opts.MaxBytes, l.opts.Dir))
	}
	return errors.Join(errs...)
}
