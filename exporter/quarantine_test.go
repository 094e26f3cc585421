package exporter

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

func readQuarantine(t *testing.T, dir string) []quarantined {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, quarantineFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []quarantined
	for s := bufio.NewScanner(f); s.Scan(); {
		var q quarantined
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
				file := filepath.Join(dir, quarantineFile)
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
