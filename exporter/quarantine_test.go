package exporter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

func readQuarantine(t *testing.T, dir string) []spooled.Refused {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, spooled.QuarantineFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []spooled.Refused
	for s := bufio.NewScanner(f); s.Scan(); {
		var q spooled.Refused
		if err := json.Unmarshal(s.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		trailNumbers.Lock()
		q.Sequence, q.Line = renumbered(q.LogID, q.Sequence, q.Line)
		trailNumbers.Unlock()
		all = append(all, q)
	}
	return all
}

// A quarantine that can't be written holds the event back; it is not lost.
func TestQuarantineThatCannotBeWritten(t *testing.T) {
	for name, block := range map[string]func(t *testing.T, file string) error{
		"folder": func(_ *testing.T, file string) error { return os.Mkdir(file, 0o700) },
		"link to another file": func(t *testing.T, file string) error {
			other := filepath.Join(t.TempDir(), "other")
			if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
				return err
			}
			t.Cleanup(func() {
				if b, err := os.ReadFile(other); err != nil || string(b) != "mine" {
					t.Errorf("another file was changed: %q, %v", b, err)
				}
			})
			return os.Symlink(other, file)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				file := filepath.Join(dir, spooled.QuarantineFile)
				if err := block(t, file); err != nil {
					t.Fatal(err)
				}
				l := &fakeLoki{t: t, answer: func(r received) loki.Answer {
					if slices.Contains(r.seqs, 2) {
						return loki.Classify(400, "bad")
					}
					return taken
				}}
				x := startOver(t, l, dir)
				emit(t, x, 3)
				time.Sleep(time.Minute)
				synctest.Wait()
				if b := x.Stats().BacklogEvents; b == 0 {
					t.Error("an event that is nowhere is acknowledged")
				}
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				shutdown(t, x)
				l.check(3, false, 2)
				if q := readQuarantine(t, dir); len(q) != 1 || q[0].Sequence != 2 {
					t.Errorf("quarantine %+v", q)
				}
			})
		})
	}
}

// With a key nothing of an event can be read, beside the spool neither; what was in
// quarantine comes back all the same.
func TestEverythingAtRestIsEncrypted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, key := t.TempDir(), bytes.Repeat([]byte{7}, 32)
		var gone atomic.Bool
		l := refuseSome(t, &gone, func(seq uint64) bool { return seq == 2 })
		x := startOver(t, l, dir, WithSpoolKeys(key), WithProof(Proof{Keys: []*proof.Key{newKey(t)}}))
		emit(t, x, 3)
		time.Sleep(time.Minute)
		files, err := os.ReadDir(dir)
		if err != nil || x.Stats().Quarantined[quarantineRefused] != 1 {
			t.Fatalf("%v, %v", x.Stats().Quarantined, err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || bytes.Contains(b, []byte("anna@")) || bytes.Contains(b, []byte("panel.example")) {
				t.Errorf("%s is not encrypted, %v", f.Name(), err)
			}
		}
		shutdown(t, x)
		if x, err := New(WithSpoolDir(dir), WithLogger(slog.New(slog.DiscardHandler))); err == nil || !strings.Contains(err.Error(), "ADMINSESSIONS_SPOOL_KEY_FILE") {
			t.Errorf("without the key: %v, %v", x, err)
		}
		gone.Store(true)
		renameToRetry(t, dir)
		x = startOver(t, l, dir, WithSpoolKeys(bytes.Repeat([]byte{8}, 32), key))
		time.Sleep(time.Minute)
		shutdown(t, x)
		l.check(3, false)
		gonefile(t, dir, spooled.RetryFile)
	})
}
