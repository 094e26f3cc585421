package notary

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/slotfile"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/proof"
)

// treeFile keeps the log's tree, beside the spool's own files.
const treeFile = "tree"

// maxSavedAbsences are those that survive the process; the tree comes to them
// first.
const maxSavedAbsences = 64

// treeState is the content of treeFile.
type treeState struct {
	LogID   string             `json:"log_id"`
	Tree    string             `json:"tree"`
	Events  uint64             `json:"events,omitempty"`
	Pending string             `json:"pending,omitempty"`
	After   *proof.Predecessor `json:"after,omitempty"`
	Last    *proof.Predecessor `json:"last,omitempty"`
	Absent  []absence          `json:"absent,omitempty"`
}

// open reads what an earlier process has kept. The spool's folder is locked.
func (t *logTree) open() error {
	file, text, damaged, err := slotfile.Open(t.path)
	if err != nil {
		return err
	}
	t.file = file
	if text != nil {
		if err := t.read(text); err != nil {
			t.log.Error("the log's tree can't be read; what is in the trail so far is proved by earlier checkpoints only", "file", t.path, "error", err)
		}
	} else if damaged {
		t.log.Error("the log's tree is damaged; what is in the trail so far is proved by earlier checkpoints only", "file", t.path)
	}
	return nil
}

func (t *logTree) read(text []byte) error {
	if len(t.keys) > 0 {
		var err error
		if text, err = spool.OpenSealed(t.keys, treeFile, text); err != nil {
			return err
		}
	}
	var s treeState
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	var tree proof.Tree
	if err := tree.UnmarshalText([]byte(s.Tree)); err != nil {
		return err
	}
	if err := s.checkPending(); err != nil {
		return err
	}
	t.logID, t.tree, t.events, t.pending, t.after, t.last = s.LogID, &tree, s.Events, s.Pending, s.After, s.Last
	for _, l := range s.Absent {
		t.absences.note(l.From, l.To, l.Reason)
	}
	return nil
}

// checkPending fails unless the text that is to be signed is a checkpoint of the
// tree: who has the disk has no text of his own signed.
func (s *treeState) checkPending() error {
	if s.Pending == "" {
		return nil
	}
	c, err := proof.ParseText(s.Pending)
	tree, terr := proof.ParseText(s.Tree)
	if err = errors.Join(err, terr); err != nil {
		return fmt.Errorf("the checkpoint that is to be signed: %w", err)
	}
	tree.Origin = c.Origin
	if c.Origin != proof.OriginPrefix+s.LogID || !tree.Follows(c) {
		return fmt.Errorf("the checkpoint that is to be signed, of %s with %d events, is none of this tree", c.Origin, c.Size)
	}
	return nil
}

// save keeps the tree, so that it survives the death of the process.
func (t *logTree) save() {
	t.absences.forget(t.tree.Size())
	tree, err := t.tree.MarshalText()
	var text []byte
	if err == nil {
		text, err = json.Marshal(treeState{
			LogID: t.logID, Tree: string(tree), Events: t.events, Pending: t.pending,
			After: t.after, Last: t.last, Absent: t.absences.snapshot(maxSavedAbsences),
		})
	}
	if err == nil && len(t.keys) > 0 {
		text = t.keys[0].Seal(treeFile, text)
	}
	if err == nil {
		err = t.file.Write(text)
	}
	t.unsaved = err != nil
	if err == nil {
		return
	}
	if n, ok := t.saveTold.Allow(t.now(), loglimit.Reminder); ok {
		t.log.Error("the log's tree can't be saved; if the process is killed now, some of its events are not proved", "error", err, "not_told", n)
	}
}

// sync makes the tree survive a power cut.
func (t *logTree) sync() error {
	if t.file == nil {
		return errors.New("the log's tree is not open")
	}
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("syncing the log's tree: %w", err)
	}
	return nil
}

// close ends it, for good.
func (t *logTree) close() error {
	t.save() // what is known of numbers that were refused
	return t.file.Close()
}
