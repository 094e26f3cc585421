package spool

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
)

// Reader reads the log's records in order, each once, from the first that was
// not acknowledged when the log was opened. It is used by one goroutine.
//
// Under SyncInterval and SyncAlways it returns a record only once an fsync covers
// it, so that what has left the process is never lost behind it and its number
// never given to another record, not even by a power cut. A waiting reader makes
// the log sync up to ten times as often as SyncInterval says; so a record waits
// at most a tenth of the interval for it. Records whose fsync failed are returned
// all the same: to deliver them is the best that can be done for them.
type Reader struct {
	l    *Log
	walk walk

	peeked  Record // valid if hasPeek
	hasPeek bool

	read    atomic.Uint64 // last record returned
	waiting atomic.Bool   // the reader found nothing
	wanted  atomic.Bool   // and nothing unsynced either
	more    chan struct{} // the log sends, without waiting, when waiting was set; never closed
}

func newReader(l *Log, acked uint64) *Reader {
	r := &Reader{l: l, walk: walk{l: l, ledger: ledger{last: acked}}, more: make(chan struct{}, 1)}
	r.read.Store(acked)
	return r
}

// Next waits for the next record. Its payload is valid until the next call. It
// fails with ctx's error, with ErrClosed, or with what the file system says; the
// call can be repeated then.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for {
		rec, ok, err := r.TryNext()
		if ok || err != nil {
			return rec, err
		}
		select {
		case <-r.more:
		case <-ctx.Done():
			return Record{}, ctx.Err()
		case <-r.l.stop:
			return Record{}, ErrClosed
		}
	}
}

// TryNext returns the next record if there is one. After it has returned false,
// Available tells when to call it again.
func (r *Reader) TryNext() (Record, bool, error) {
	rec, ok, err := r.Peek()
	if ok {
		r.hasPeek = false
		r.read.Store(rec.Seq)
	}
	return rec, ok, err
}

// Available receives after TryNext or Peek has returned false and a record has
// come since. It may receive without one.
func (r *Reader) Available() <-chan struct{} { return r.more }

// Peek returns the next record, if there is one, and leaves it to be returned
// again.
func (r *Reader) Peek() (Record, bool, error) {
	if r.hasPeek {
		return r.peeked, true, nil
	}
	if r.l.closed.Load() {
		return Record{}, false, ErrClosed
	}
	rec, err := r.walk.next()
	if err == io.EOF {
		// Ask to be told, and look again for what came in between.
		r.waiting.Store(true)
		r.wanted.Store(true)
		rec, err = r.walk.next()
		if err == io.EOF && r.l.hasUnsynced() {
			signal(r.l.soon)
		}
	}
	switch err {
	case nil:
		r.peeked, r.hasPeek = rec, true
		return rec, true, nil
	case io.EOF:
		return Record{}, false, nil
	}
	return Record{}, false, fmt.Errorf("spool: reading %s: %w", r.l.opts.Dir, err)
}

// Close closes the reader's file. The log must not be read any more.
func (r *Reader) Close() error { return r.walk.leave() }

// written is called after records have been written.
func (r *Reader) written() {
	if r.l.opts.Sync == SyncNone {
		r.visible()
	} else if r.wanted.Load() && r.wanted.Swap(false) {
		signal(r.l.soon)
	}
}

// visible is called after records may have become readable.
func (r *Reader) visible() {
	if r.waiting.Load() && r.waiting.Swap(false) {
		signal(r.more)
	}
}
