package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions/internal/atomicfile"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// exportJob is what is exported, and how far that has come. It stands beside the
// unfinished file.
type exportJob struct {
	Query        string    `json:"query"`
	Looks        bool      `json:"looks,omitempty"`
	Format       string    `json:"format"`
	Services     []string  `json:"services,omitempty"`
	Environments []string  `json:"environments,omitempty"`
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`

	Events int    `json:"events"`
	Bytes  int64  `json:"bytes"`
	Place  string `json:"place,omitempty"` // a trail.Cursor
}

// sameAs reports whether two exports are of the same events in the same form. Their
// ends may differ: "24h ago" is another time now.
func (j *exportJob) sameAs(o *exportJob) bool {
	return j.Query == o.Query && j.Looks == o.Looks && j.Format == o.Format &&
		slices.Equal(j.Services, o.Services) && slices.Equal(j.Environments, o.Environments)
}

// partial is an export's file that is not whole yet: FILE.part, with FILE.part.json
// that says how far it is right.
type partial struct {
	target, name, notes string

	file  *os.File
	job   exportJob
	place trail.Cursor
	done  bool
}

// openPartial begins an export, or goes on with one that was broken off.
func openPartial(target string, job exportJob, resume, force bool) (*partial, error) {
	p := &partial{target: target, name: target + ".part", notes: target + ".part.json", job: job}
	if at, err := os.Stat(target); err == nil && at.IsDir() {
		return nil, usage("%s is a folder; want a file to export to", target)
	}
	if _, err := os.Lstat(target); err == nil && !force {
		return nil, usage("%s is there already; --force replaces it", target)
	}
	if force && !resume {
		for _, name := range []string{p.name, p.notes} {
			if err := removeIfThere(name); err != nil {
				return nil, usage("removing what is left of an earlier export: %w", err)
			}
		}
	}
	if resume {
		return p, p.resume()
	}
	f, err := os.OpenFile(p.name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, usage("%s is there: an export was broken off, or another is under way; --resume goes on with it, --force begins anew", p.name)
	}
	if err != nil {
		return nil, usage("opening the file to export to: %w", err)
	}
	p.file = f
	if err := p.note(trail.Cursor{}); err != nil {
		return nil, errors.Join(&statusError{StatusFailed, fmt.Errorf("noting what is exported: %w", err)}, f.Close())
	}
	return p, nil
}

// resume goes on with an export: what is in the file beyond what was noted is cut
// off.
func (p *partial) resume() error {
	b, err := os.ReadFile(p.notes)
	if errors.Is(err, fs.ErrNotExist) {
		return usage("%s is not there: there is no export to go on with", p.notes)
	}
	if err != nil {
		return usage("reading how far the export has come: %w", err)
	}
	var found exportJob
	if err := json.Unmarshal(b, &found); err != nil {
		return usage("%s can't be read (%w); begin anew with --force", p.notes, err)
	}
	if !found.sameAs(&p.job) {
		return usage("%s is an export of something else (query %q as %s); give the same query, form, services and environments, or --force", p.name, found.Query, found.Format)
	}
	if found.Bytes == 0 {
		p.place = trail.Cursor{}
	} else if p.place, err = trail.ParseCursor(found.Place); err != nil {
		return usage("%s can't be read: %w; begin anew with --force", p.notes, err)
	}
	p.job = found
	if p.file, err = os.OpenFile(p.name, os.O_WRONLY, 0); err != nil {
		return usage("opening the unfinished export: %w", err)
	}
	info, err := p.file.Stat()
	if err == nil && info.Size() < found.Bytes {
		err = fmt.Errorf("it has %d bytes and should have %d; begin anew with --force", info.Size(), found.Bytes)
	}
	if err == nil {
		err = p.file.Truncate(found.Bytes)
	}
	if err == nil {
		_, err = p.file.Seek(found.Bytes, io.SeekStart)
	}
	if err != nil {
		return usage("unfinished export %s: %w", p.name, err)
	}
	return nil
}

// note notes that everything up to a place is in the file.
func (p *partial) note(place trail.Cursor) error {
	at, err := p.file.Seek(0, io.SeekCurrent)
	if err == nil {
		err = p.file.Sync()
	}
	if err != nil {
		return err
	}
	p.place = place
	p.job.Bytes, p.job.Place = at, place.String()
	b, err := json.Marshal(p.job)
	if err != nil {
		return err
	}
	return atomicfile.Write(p.notes, b)
}

// finish gives the file its name.
func (p *partial) finish() error {
	err := p.file.Sync()
	if cerr := p.file.Close(); err == nil {
		err = cerr
	}
	p.done = true
	if err == nil {
		err = os.Rename(p.name, p.target)
	}
	if err == nil {
		err = removeIfThere(p.notes)
	}
	return err
}

func (p *partial) close() {
	if !p.done && p.file != nil {
		_ = p.file.Close()
	}
}
