package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const lockName = "lock"

// ErrLocked matches, with errors.Is, the error Open returns for a folder that
// another process has open.
var ErrLocked = errors.New("spool is in use")

// LockedError tells who holds the folder.
type LockedError struct {
	Dir string
	PID int // 0 if not known
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("spool: folder %s is in use by %s; give every process a folder of its own", e.Dir, who)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// lockDir takes the folder for this process and leaves its pid in the lock file.
// The pid is for people; the lock itself is the kernel's and dies with the
// process, so a stale file never stands in the way.
func lockDir(fsys FS, dir string) (io.Closer, error) {
	name := filepath.Join(dir, lockName)
	lock, err := fsys.Lock(name)
	if errors.Is(err, errLockHeld) {
		return nil, &LockedError{Dir: dir, PID: readPID(fsys, name)}
	}
	if err != nil {
		return nil, fmt.Errorf("spool: locking folder %s: %w", dir, err)
	}
	// Failing to leave the pid costs only a name in an error message.
	if f, err := fsys.OpenFile(name, os.O_WRONLY, 0o600); err == nil {
		pid := fmt.Appendf(nil, "%-19d\n", os.Getpid())
		_, _ = f.WriteAt(pid, 0)
		_ = f.Close()
	}
	return lock, nil
}

func readPID(fsys FS, name string) int {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}
