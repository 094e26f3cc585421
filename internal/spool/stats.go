package spool

import (
	"slices"
	"sync/atomic"
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

// counters are what Stats counts since Open.
type counters struct {
	// Guarded by Log.mu.
	appended, appendedBytes uint64
	found                   [len(damageReasons)]uint64 // as DamageReasons
	recordsLost             uint64
	bytesSkipped            int64

	syncs, syncErrors, cursorErrors, writeErrors, removeErrors atomic.Uint64
	clockResets, setAside                                      atomic.Uint64
	setAsideBytes                                              atomic.Int64
	lastSync                                                   atomic.Pointer[time.Time]
	lastSyncTook                                               atomic.Int64 // ns
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
		Syncs: c.syncs.Load(), LastSyncTook: time.Duration(c.lastSyncTook.Load()),
		SyncErrors: c.syncErrors.Load(), CursorErrors: c.cursorErrors.Load(), WriteErrors: c.writeErrors.Load(),
		RemoveErrors: c.removeErrors.Load(), ClockResets: c.clockResets.Load(),
		RecordsLost: c.recordsLost, BytesSkipped: c.bytesSkipped,
		FilesSetAside: c.setAside.Load(), SetAsideBytes: c.setAsideBytes.Load(),
		Dropped:     make(map[Reason]uint64, len(reasons)),
		DamageFound: make(map[DamageReason]uint64, len(damageReasons)),
	}
	if at := c.lastSync.Load(); at != nil {
		s.LastSync = *at
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
