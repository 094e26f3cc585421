package spool

import (
	"path/filepath"
	"strings"
	"time"
)

// ViewState is what files and cursor say of a spool, without reading records.
type ViewState struct {
	ID          string
	Predecessor string // the log of which this is a copy; empty if it is none
	Acked       uint64 // everything up to this number is delivered
	Highest     uint64 // the highest number given, as far as the cursor knows
	LastTime    time.Time
	// Closed says that the last process that had the spool has closed it. Else one
	// has it, or was killed: Holder is who, as the lock file says.
	Closed bool
	Holder string

	Segments []ViewFile
	SetAside []ViewFile // files in which damage was found
}

// ViewFile is a file of a spool.
type ViewFile struct {
	Name  string
	First uint64 // of a segment: no record in it has a lower number
	Bytes int64
}

// State returns what can be said of the spool without reading its records.
func (v *View) State() (ViewState, error) {
	p := &v.pos
	s := ViewState{ID: v.log.id, Predecessor: v.log.previous, Acked: p.acked, Highest: max(p.high, p.written, p.acked), Closed: p.clean}
	if p.lastTime > 0 {
		s.LastTime = time.Unix(0, p.lastTime)
	}
	if !s.Closed {
		s.Holder = readHolder(v.log.opts.FS, filepath.Join(v.dir, lockName))
	}
	for _, seg := range v.log.segments {
		s.Segments = append(s.Segments, ViewFile{seg.name, seg.first, seg.size})
	}
	entries, err := v.log.opts.FS.ReadDir(v.dir)
	if err != nil {
		return ViewState{}, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), badExt) {
			continue
		}
		if info, err := e.Info(); err == nil {
			s.SetAside = append(s.SetAside, ViewFile{Name: e.Name(), Bytes: info.Size()})
		}
	}
	return s, nil
}
