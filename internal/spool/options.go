package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// SyncPolicy says when appended records are forced to stable storage. Whatever
// the policy, a record survives the death of the process (kill -9, a panic, an
// out-of-memory kill) from the moment Append returns; the policy is about what a
// power cut or a kernel crash can take.
type SyncPolicy uint8

const (
	// SyncInterval syncs once every Options.SyncInterval while there is
	// something to sync. A power cut takes at most that interval.
	SyncInterval SyncPolicy = iota
	// SyncAlways lets Append return after an fsync that covers the record.
	// Concurrent callers share one fsync.
	SyncAlways
	// SyncNone leaves it to the kernel when records reach the disk, usually
	// within 30 s. Sync and AppendSync still sync.
	SyncNone
)

// FullPolicy says what Append does when there is no room: the spool has reached
// Options.MaxBytes or the disk is full.
type FullPolicy uint8

const (
	// DropWhenFull refuses the new record at once, with ReasonSpoolFull or
	// ReasonDiskFull. Records already in the spool are never given up for it.
	DropWhenFull FullPolicy = iota
	// BlockWhenFull waits for room until the context is done or
	// Options.BlockTimeout has passed, and then refuses.
	BlockWhenFull
)

// Defaults and limits of Options.
const (
	DefaultSyncInterval   = time.Second
	DefaultMaxBytes       = 1 << 30
	DefaultSegmentBytes   = 16 << 20
	DefaultMaxRecordBytes = 1 << 20
	DefaultBlockTimeout   = 5 * time.Second

	// MaxRecordBytesLimit is the largest payload the file format allows.
	MaxRecordBytesLimit = 16 << 20

	minSegmentBytes = 4 << 10
	segmentsPerLog  = 8 // default segment size is at most this part of MaxBytes
)

// Options configures Open. The zero value of every field but Dir is usable.
type Options struct {
	// Dir is the spool's folder. It gets mode 0700; one that belongs to another
	// user, or that others can change, is refused. Required.
	Dir string
	// LockTimeout is how long Open waits for another process to leave the
	// folder, as in a rolling update. Default 0: it does not wait.
	LockTimeout time.Duration
	// Sync is the sync policy. Default SyncInterval.
	Sync SyncPolicy
	// SyncInterval is the longest time written records stay unsynced under
	// SyncInterval; under every policy it is how often the cursor is synced.
	// Default 1 s.
	SyncInterval time.Duration
	// MaxBytes limits the size of all segments together, those set aside as
	// damaged included. Default 1 GiB.
	MaxBytes int64
	// ReservedBytes is the part of MaxBytes that records appended with Limited
	// can't use, so that a flood of them leaves room for the others. At least
	// two segments must be left to them. Default 0.
	ReservedBytes int64
	// Full says what happens when there is no room. Default DropWhenFull.
	Full FullPolicy
	// BlockTimeout is how long BlockWhenFull waits when the context has no
	// earlier deadline. Default 5 s.
	BlockTimeout time.Duration
	// SegmentBytes is the size at which a new segment file is begun. Disk
	// space is given back in units of segments. Default 16 MiB, or an eighth
	// of MaxBytes if that is less.
	SegmentBytes int64
	// MaxRecordBytes is the largest payload Append takes; larger ones are
	// refused with ReasonTooLarge. Default 1 MiB (less if segments are
	// smaller), at most 16 MiB.
	MaxRecordBytes int
	// Keys encrypt what is written from now on, with the first of them, and read
	// what was written with any of them, or before there was one. Default: records
	// are not encrypted.
	Keys []*Key
	// OnDamage is told of every piece of damage found, when it is found: by
	// Open before it returns, and by the reader. It is called without locks,
	// on the goroutine that found it. It must not call Open, Close or the
	// reader.
	OnDamage func(Damage)
	// OnDrop is told of every refused record on the goroutine whose Append
	// was refused. seq is 0 for ReasonClosed and ReasonReserved, which consume
	// no number.
	OnDrop func(reason Reason, seq uint64)
	// Seen says up to which number the caller has taken records of the log with
	// that identity, as it has noted itself; ok is false if it has noted nothing.
	// What is acknowledged behind it is read once more, as far as it is there, and
	// no number up to it is given again. Called once, by Open.
	Seen func(id string) (seq uint64, ok bool)
	// Found is shown what an earlier process has left, delivered or not, before any
	// of it is removed. Called once, by Open, with the folder locked.
	Found func(*View)
	// BeforeRemove is called before delivered records are removed. If it fails
	// they stay, and it is called again. On the sync goroutine.
	BeforeRemove func() error
	// FS is the file system. Default: the real one. Tests put faults here.
	FS FS
	// Logger gets what an operator should know: recovery, damage, the disk
	// failing and coming back, and in a few lines that records are refused.
	// Default slog.Default().
	Logger *slog.Logger
	// Now is the clock for time stamps and back-off. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("spool: Dir is empty; it must name the folder the spool lives in")
	}
	if o.Sync > SyncNone {
		return o, fmt.Errorf("spool: Sync is %d; it must be SyncInterval, SyncAlways or SyncNone", o.Sync)
	}
	if o.Full > BlockWhenFull {
		return o, fmt.Errorf("spool: Full is %d; it must be DropWhenFull or BlockWhenFull", o.Full)
	}
	if o.LockTimeout < 0 || o.SyncInterval < 0 || o.BlockTimeout < 0 || o.MaxBytes < 0 || o.ReservedBytes < 0 || o.SegmentBytes < 0 || o.MaxRecordBytes < 0 {
		return o, errors.New("spool: LockTimeout, SyncInterval, BlockTimeout, MaxBytes, ReservedBytes, SegmentBytes and MaxRecordBytes must not be negative")
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = DefaultSyncInterval
	}
	if o.BlockTimeout == 0 {
		o.BlockTimeout = DefaultBlockTimeout
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = max(minSegmentBytes, min(DefaultSegmentBytes, o.MaxBytes/segmentsPerLog))
	}
	overhead := int64(headerSize + frameOverhead)
	if len(o.Keys) > 0 {
		overhead += sealOverhead
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = int(min(DefaultMaxRecordBytes, o.SegmentBytes-overhead))
	}
	if o.SegmentBytes < minSegmentBytes {
		return o, fmt.Errorf("spool: SegmentBytes is %d; it must be at least %d", o.SegmentBytes, minSegmentBytes)
	}
	if o.MaxBytes < 2*o.SegmentBytes {
		return o, fmt.Errorf("spool: MaxBytes is %d; it must hold at least two segments of %d bytes", o.MaxBytes, o.SegmentBytes)
	}
	if o.ReservedBytes > o.MaxBytes-2*o.SegmentBytes {
		return o, fmt.Errorf("spool: ReservedBytes is %d; with MaxBytes %d and SegmentBytes %d it must be at most %d, so that two segments are left",
			o.ReservedBytes, o.MaxBytes, o.SegmentBytes, o.MaxBytes-2*o.SegmentBytes)
	}
	if o.MaxRecordBytes > MaxRecordBytesLimit {
		return o, fmt.Errorf("spool: MaxRecordBytes is %d; it must be at most %d", o.MaxRecordBytes, MaxRecordBytesLimit)
	}
	if int64(o.MaxRecordBytes) > o.SegmentBytes-overhead {
		return o, fmt.Errorf("spool: MaxRecordBytes is %d; with SegmentBytes %d it must be at most %d",
			o.MaxRecordBytes, o.SegmentBytes, o.SegmentBytes-overhead)
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

func (p SyncPolicy) String() string {
	switch p {
	case SyncInterval:
		return "interval"
	case SyncAlways:
		return "always"
	case SyncNone:
		return "none"
	}
	return fmt.Sprintf("SyncPolicy(%d)", uint8(p))
}
