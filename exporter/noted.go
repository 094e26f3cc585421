package exporter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/adminsessions/adminsessions/internal/atomicfile"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// notedFile keeps the times of entries that are pushed with another time than
// the spool has, so that they are sent with the same bytes again if the process
// is killed before they are acknowledged.
const notedFile = "times.json"

type notedTimes struct {
	path  string
	LogID string           `json:"log_id"`
	Times map[uint64]int64 `json:"times"` // sequence number: ns
}

// readNotedTimes reads what an earlier process has noted for this log.
func readNotedTimes(dir, logID string) (*notedTimes, error) {
	n := &notedTimes{path: filepath.Join(dir, notedFile)}
	b, err := spool.ReadPlain(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	} else if err == nil {
		err = json.Unmarshal(b, n)
	}
	if err != nil {
		err = fmt.Errorf("reading the times of entries under way: %w", err)
	}
	if err != nil || n.LogID != logID {
		n.Times = nil
	}
	n.LogID = logID
	return n, err
}

// save notes the times of a batch instead of those before. Where one has moved all
// are noted: those of the others depend on it.
func (n *notedTimes) save(b *batch) error {
	n.Times = make(map[uint64]int64)
	for _, s := range b.streams {
		for _, e := range s.entries {
			n.Times[e.seq] = e.time
		}
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return atomicfile.Write(n.path, text)
}
