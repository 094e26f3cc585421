package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	lockName  = "lock"
	lockRetry = 20 * time.Millisecond
	holderMax = 512
)

// ErrLocked matches, with errors.Is, the error Open returns for a folder that
// another process has open.
var ErrLocked = errors.New("spool is in use")

// LockedError tells who holds the folder.
type LockedError struct {
	Dir    string
	Holder string        // as it describes itself; empty if not known
	Waited time.Duration // how long Open has waited for it
}

func (e *LockedError) Error() string {
	holder := "another process"
	if e.Holder != "" {
		holder = e.Holder
	}
	waited := ""
	if e.Waited > 0 {
		waited = fmt.Sprintf(", and still was after %v", e.Waited)
	}
	return fmt.Sprintf("spool: folder %s is in use by %s%s; give every process a folder of its own, or stop that one first", e.Dir, holder, waited)
}

// Is makes the error match ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// takeDir makes the folder and takes it for this process, waiting for another to
// leave it as long as the options allow.
func takeDir(o Options) (File, error) {
	lock, err := lockDir(o)
	if !errors.Is(err, ErrLocked) || o.LockTimeout == 0 {
		return lock, err
	}
	o.Logger.Info("waiting for another process to leave the spool", "dir", o.Dir, "at_most", o.LockTimeout, "error", err)
	end := time.NewTimer(o.LockTimeout)
	defer end.Stop()
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
			if lock, err = lockDir(o); !errors.Is(err, ErrLocked) {
				return lock, err
			}
		case <-end.C:
			if lock, err = lockDir(o); err != nil {
				if locked, ok := errors.AsType[*LockedError](err); ok {
					locked.Waited = o.LockTimeout
				}
			}
			return lock, err
		}
	}
}

// lockDir makes the folder, takes it for this process and leaves in the lock file
// who has it. That is for people; the lock itself is the kernel's and dies with
// the process, so a file left behind never stands in the way.
func lockDir(o Options) (File, error) {
	if err := o.FS.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("spool: folder %s can't be used: %w", o.Dir, err)
	}
	name := filepath.Join(o.Dir, lockName)
	lock, err := o.FS.Lock(name)
	if errors.Is(err, errLockHeld) {
		return nil, &LockedError{Dir: o.Dir, Holder: readHolder(o.FS, name)}
	}
	if err != nil {
		return nil, fmt.Errorf("spool: locking folder %s: %w", o.Dir, err)
	}
	// Between opening and locking it, it may have been removed.
	if named, err := lock.Named(name); err != nil || !named {
		if err == nil {
			err = errors.New("the lock file was removed meanwhile")
		}
		return nil, errors.Join(fmt.Errorf("spool: locking folder %s: %w", o.Dir, err), lock.Close())
	}
	// Failing to leave it costs no more than words in an error message.
	if err := lock.Truncate(0); err == nil {
		_, _ = lock.WriteAt([]byte(self(o.Now())), 0)
	}
	return lock, nil
}

// self describes this process. Its number alone says little where each container
// counts its own.
func self(now time.Time) string {
	s := fmt.Sprintf("process %d", os.Getpid())
	if host, err := os.Hostname(); err == nil {
		s += " on " + host
	}
	return s + " since " + now.UTC().Format(time.RFC3339) + "\n"
}

func readHolder(fsys FS, name string) string {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, holderMax)
	n, _ := f.ReadAt(b, 0)
	return strings.ToValidUTF8(strings.TrimSpace(string(b[:n])), "?")
}
