package spool

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// fault is what is wrong now with one of the things a log does; none if that works.
type fault struct{ p atomic.Pointer[error] }

// set notes err, or that all is well if that is nil.
func (f *fault) set(err error) { _ = f.swap(err) }

// swap is set and returns what was noted before.
func (f *fault) swap(err error) (was error) {
	p := &err
	if err == nil {
		p = nil
	}
	if old := f.p.Swap(p); old != nil {
		was = *old
	}
	return was
}

func (f *fault) get() error {
	if p := f.p.Load(); p != nil {
		return *p
	}
	return nil
}

// Health returns nil if the spool takes records and keeps its promises, else what
// is wrong now and what can be done.
func (l *Log) Health() error {
	if l.closed.Load() {
		return ErrClosed
	}
	var errs []error
	wrong := func(err error, format string) {
		if err != nil {
			errs = append(errs, fmt.Errorf(format, l.opts.Dir, err))
		}
	}
	wrong(l.folder.get(), "spool %s refuses records, see to its folder: %w")
	wrong(l.writing.get(), "spool %s refuses records, free or repair its disk: %w")
	wrong(l.syncing.get(), "records of spool %s may not survive a power cut, check its disk: %w")
	wrong(errors.Join(l.noting.get(), l.cursor.failing()), "spool %s can't note what is delivered, after a crash it would be sent again, check its disk: %w")
	wrong(l.removing.get(), "spool %s can't free delivered segments, check the folder's permissions: %w")
	if l.isFull() {
		errs = append(errs, fmt.Errorf("spool %s has reached its limit of %d bytes, raise it or see to the delivery", l.opts.Dir, l.opts.MaxBytes))
	}
	if n := l.stats.setAsideBytes.Load(); n > l.opts.MaxBytes/2 {
		errs = append(errs, fmt.Errorf("files set aside as damaged take %d of the %d bytes of spool %s, move them away", n, l.opts.MaxBytes, l.opts.Dir))
	}
	return errors.Join(errs...)
}

// Refusing returns why records are refused now, or "" if they are taken: what a
// caller asks that would rather wait than use up a number.
func (l *Log) Refusing() Reason {
	if l.closed.Load() {
		return ReasonClosed
	}
	return l.refusing()
}

// refusing returns why records are refused now, or "" if they are taken. Some are
// refused beside that, for what they are.
func (l *Log) refusing() Reason {
	for _, err := range []error{l.folder.get(), l.writing.get()} {
		if err != nil {
			return classify(err)
		}
	}
	if l.isFull() {
		return ReasonSpoolFull
	}
	return ""
}

func (l *Log) isFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full
}
