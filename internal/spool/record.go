package spool

import (
	"errors"
	"fmt"
	"slices"
)

// Record is one event in the spool.
type Record struct {
	// Seq is the record's number: from 1, contiguous, never given twice. A
	// number that is missing belongs to a record that was refused or lost.
	Seq uint64
	// Time is the record's time stamp, in nanoseconds since 1970 UTC, strictly
	// greater than that of every record before it (but see
	// Stats.ClockResets).
	Time int64
	// Origin is the time stamp that was given to Append. It differs from
	// Time where Time had to be moved to keep the order.
	Origin int64
	// Payload is what was given to Append. It is nil in the Record that
	// Append returns, and valid until the next call in one that a Reader
	// returns.
	Payload []byte

	// prev is the number of the record that was written before, where that is
	// known: of encrypted records.
	prev uint64
}

// Reason says why a record was refused. The list is closed: see Reasons.
type Reason string

const (
	// ReasonSpoolFull: the spool has reached Options.MaxBytes.
	ReasonSpoolFull Reason = "spool_full"
	// ReasonReserved: what is left of Options.MaxBytes is reserved, and the
	// record was appended with Limited. No number is consumed.
	ReasonReserved Reason = "reserved"
	// ReasonDiskFull: the file system has no room (ENOSPC, EDQUOT).
	ReasonDiskFull Reason = "disk_full"
	// ReasonIOError: writing failed in another way.
	ReasonIOError Reason = "io_error"
	// ReasonTooLarge: the payload is larger than Options.MaxRecordBytes.
	ReasonTooLarge Reason = "too_large"
	// ReasonClosed: the log is closed. No number is consumed.
	ReasonClosed Reason = "closed"
)

// Reasons returns every Reason, in a fixed order, for metrics that are
// initialised before the first event.
func Reasons() []Reason { return slices.Clone(reasons[:]) }

var reasons = [...]Reason{ReasonSpoolFull, ReasonReserved, ReasonDiskFull, ReasonIOError, ReasonTooLarge, ReasonClosed}

// RefusedError is returned by Append for a record that is not in the spool. Its
// number is consumed, so that the gap shows wherever the records are counted,
// unless the reason says otherwise.
type RefusedError struct {
	Reason Reason
	Seq    uint64 // 0 where no number is consumed
	Err    error  // the cause, if there is one
}

func (e *RefusedError) Error() string {
	s := fmt.Sprintf("spool: record refused (%s)", e.Reason)
	if e.Seq != 0 {
		s = fmt.Sprintf("spool: record %d refused (%s)", e.Seq, e.Reason)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *RefusedError) Unwrap() error { return e.Err }

// NotDurableError is returned by AppendSync, and by Append under SyncAlways, for
// a record that no fsync is known to cover. The record may be in the spool, and
// then it is delivered; it is not refused and not counted as dropped. Rec is
// zero if the context was done before the record was written.
type NotDurableError struct {
	Rec Record
	Err error // context.DeadlineExceeded, context.Canceled, or what fsync said
}

func (e *NotDurableError) Error() string {
	return "spool: record is not known to be on stable storage: " + e.Err.Error()
}

func (e *NotDurableError) Unwrap() error { return e.Err }

var errRefusedClosed error = &RefusedError{Reason: ReasonClosed, Err: ErrClosed}

// ErrClosed is returned, wrapped or not, by every method of a closed Log.
var ErrClosed = errors.New("spool: closed")

// DamageReason says what kind of damage was found. The list is closed: see
// DamageReasons.
type DamageReason string

const (
	// DamageRecord: bytes inside a segment that are no valid record.
	DamageRecord DamageReason = "record"
	// DamageTail: the end of the newest segment is torn, as a crash leaves
	// it. Records counts the records whose beginnings are there.
	DamageTail DamageReason = "torn_tail"
	// DamageMissing: records are known to have been written and no file has
	// them: a segment is gone or was cut short.
	DamageMissing DamageReason = "missing"
	// DamageRemoved: a file that was in use had lost its name: it, or the whole
	// folder, was removed or replaced. It was written anew, and nothing of it is
	// lost. Records of files that were not in use are DamageMissing.
	DamageRemoved DamageReason = "removed"
	// DamageHeader: a segment's header is damaged; its records are not.
	DamageHeader DamageReason = "segment_header"
	// DamageCursor: the cursor file, or one of its three slots, is damaged or
	// gone. Records may be read twice; none is skipped.
	DamageCursor DamageReason = "cursor"
	// DamageCopied: the folder is a copy, such as one on another machine or one
	// restored from a backup. The log goes on under an identity of its own,
	// because the original may have given the same numbers: see
	// Log.Predecessor.
	DamageCopied DamageReason = "copied"
	// DamageUnreadable: a segment file that can't be read, or holds nothing
	// that is a record of this log. It was set aside.
	DamageUnreadable DamageReason = "unreadable"
)

// DamageReasons returns every DamageReason in a fixed order.
func DamageReasons() []DamageReason { return slices.Clone(damageReasons[:]) }

var damageReasons = [...]DamageReason{DamageRecord, DamageTail, DamageMissing, DamageRemoved, DamageHeader, DamageCursor, DamageCopied, DamageUnreadable}

// Damage reports one piece of damage.
type Damage struct {
	File       string       // name inside the spool's folder
	Offset     int64        // where the damage begins
	Bytes      int64        // how many bytes were passed over
	Records    uint64       // how many records are lost; an upper bound if some of their numbers had been refused
	First      uint64       // the lowest number that a lost record can have had; 0 if none is lost
	Last       uint64       // the highest
	Reason     DamageReason //
	SetAsideAs string       // the new name, if the file was renamed
	Err        error        // the cause, if a system call failed
}

func (d Damage) String() string {
	s := fmt.Sprintf("%s at %s:%d: %d bytes passed over, %d records lost", d.Reason, d.File, d.Offset, d.Bytes, d.Records)
	if d.SetAsideAs != "" {
		s += ", set aside as " + d.SetAsideAs
	}
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return s
}
