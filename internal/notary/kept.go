package notary

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	// keptFile has the last checkpoints, signed, each a JSON string on a line of
	// its own. When it is full it becomes keptBefore.
	keptFile   = "checkpoints.ndjson"
	keptBefore = "checkpoints.old.ndjson"
	maxKept    = 1 << 20 // bytes of each

	// resumeAmong is among how many of the last checkpoints one is looked for that
	// the tree can go on from.
	resumeAmong = 64
)

// keptCheckpoints are the signed checkpoints beside the spool.
type keptCheckpoints struct{ dir string }

// add appends a checkpoint and syncs the file.
func (k keptCheckpoints) add(signed []byte) error {
	path := filepath.Join(k.dir, keptFile)
	f, err := spool.OpenPlain(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return err
	}
	line, err := json.Marshal(string(signed))
	var size int64
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if info, serr := f.Stat(); serr == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil && size > maxKept {
		err = os.Rename(path, filepath.Join(k.dir, keptBefore))
	}
	return err
}

// read returns the last checkpoints, oldest first. Lines that are none, such as one
// cut off by the process's death, are passed over.
func (k keptCheckpoints) read(most int) (list [][]byte) {
	for _, name := range []string{keptBefore, keptFile} {
		text, err := spool.ReadPlain(filepath.Join(k.dir, name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				return list
			}
			continue
		}
		for line := range bytes.Lines(text) {
			var s string
			if json.Unmarshal(line, &s) == nil {
				list = append(list, []byte(s))
			}
		}
	}
	return list[max(0, len(list)-most):]
}

// lastSignedBy is the last checkpoint that one of the keys has signed, nil if there
// is none.
func (k keptCheckpoints) lastSignedBy(keys note.Verifiers) *proof.Checkpoint {
	list := k.read(resumeAmong)
	for i := len(list) - 1; i >= 0; i-- {
		if c, err := proof.Open(list[i], keys); err == nil {
			return c
		}
	}
	return nil
}
