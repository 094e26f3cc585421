package exporter

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions/internal/slotfile"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

// The files that package notary keeps beside the spool.
const (
	treeFile        = "tree"
	checkpointsFile = "checkpoints.ndjson"
)

// keptTree is the content of treeFile, as somebody who has the disk sees it.
type keptTree struct {
	LogID   string             `json:"log_id"`
	Tree    string             `json:"tree"`
	Events  uint64             `json:"events,omitempty"`
	Pending string             `json:"pending,omitempty"`
	After   *proof.Predecessor `json:"after,omitempty"`
	Last    *proof.Predecessor `json:"last,omitempty"`
	Absent  json.RawMessage    `json:"absent,omitempty"`
}

// editTree changes what is kept of a log's tree while no process runs.
func editTree(t *testing.T, dir string, edit func(*keptTree)) {
	t.Helper()
	file, text, _, err := slotfile.Open(filepath.Join(dir, treeFile))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var s keptTree
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	edit(&s)
	if text, err = json.Marshal(s); err == nil {
		err = file.Write(text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Who can write to the disk has nothing signed that is not a checkpoint of the log
// and its tree.
func TestWhoHasTheDiskChoosesNoTextToBeSigned(t *testing.T) {
	for name, plant := range map[string]func(id string, last *proof.Predecessor) string{
		"any text": func(string, *proof.Predecessor) string { return "I owe you 100\n" },
		"a checkpoint of another log": func(string, *proof.Predecessor) string {
			c := proof.NewTree().Checkpoint(proof.OriginPrefix+"other", time.Unix(1, 0))
			return c.Text()
		},
		"another tree": func(id string, last *proof.Predecessor) string {
			tree := proof.NewTree()
			tree.AppendGap(last.Size, "forged")
			c := tree.Checkpoint(proof.OriginPrefix+id, time.Unix(1, 0))
			return c.Text()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, dir := newKey(t), t.TempDir()
				l := &fakeLoki{t: t}
				x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 10)
				time.Sleep(time.Minute)
				shutdown(t, x)
				var planted string
				editTree(t, dir, func(s *keptTree) {
					planted = plant(s.LogID, s.Last)
					s.Pending = planted
				})
				x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 10)
				time.Sleep(time.Minute)
				shutdown(t, x)
				signed, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
				if err != nil {
					t.Fatal(err)
				}
				text, _ := json.Marshal(planted)
				if bytes.Contains(signed, bytes.Trim(text, `"`)) {
					t.Errorf("signed: %s", planted)
				}
				l.proved(x.spool.ID(), verifiers(t, k))
			})
		})
	}
}

// A power cut may leave a tree that is older than the last checkpoint, which was
// synced: the tree goes on from that.
func TestProofWithATreeOlderThanItsCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		l := &fakeLoki{t: t}
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(time.Minute)
		shutdown(t, x)
		old, err := os.ReadFile(filepath.Join(dir, treeFile))
		if err != nil {
			t.Fatal(err)
		}
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(time.Minute)
		shutdown(t, x)
		if err := os.WriteFile(filepath.Join(dir, treeFile), old, 0o600); err != nil {
			t.Fatal(err)
		}
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(time.Minute)
		shutdown(t, x)
		list := l.proved(x.spool.ID(), verifiers(t, k))
		if gaps := gapsOf(list); gaps != "" {
			t.Errorf("gaps %q", gaps)
		}
	})
}

// With keys for the spool who has the disk can't make a tree or an event out of
// quarantine, and what is beside the spool is not believed.
func TestForgedBesideAnEncryptedSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir, key := newKey(t), t.TempDir(), bytes.Repeat([]byte{7}, 32)
		l := &fakeLoki{t: t}
		x := startOver(t, l, dir, WithSpoolKeys(key), WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(time.Minute)
		shutdown(t, x)
		id := x.spool.ID()
		file, _, _, err := slotfile.Open(filepath.Join(dir, treeFile))
		if err != nil {
			t.Fatal(err)
		}
		forged := proof.NewTree()
		forged.AppendGap(14, "forged")
		tree, _ := forged.MarshalText()
		text, _ := json.Marshal(keptTree{LogID: id, Tree: string(tree), Events: 1})
		if err := file.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		event := `{"log_id":"` + id + `","sequence_number":3,"timestamp_ns":"5","labels":"{audit_log_id=\"` + id + `\"}","line":"type=WEB\tseq=3"}` + "\n"
		if err := os.WriteFile(filepath.Join(dir, spooled.RetryFile), []byte(event), 0o600); err != nil {
			t.Fatal(err)
		}
		x = startOver(t, l, dir, WithSpoolKeys(key), WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(2 * time.Minute)
		shutdown(t, x)
		if gaps := gapsOf(l.proved(id, verifiers(t, k))); strings.Contains(gaps, "forged") {
			t.Errorf("gaps %q", gaps)
		}
		if b, err := os.ReadFile(filepath.Join(dir, spooled.QuarantineFile)); err != nil || string(b) != event {
			t.Errorf("quarantine %q, %v; want the event that nobody has encrypted", b, err)
		}
	})
}
