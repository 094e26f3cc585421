package operations

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const (
	maintenance = "maintenance.md"
	publicKey   = "/etc/adminsessions/trail.key.pub"

	nothingWaits       = "waiting       nothing\n"
	nothingQuarantined = "nothing is in quarantine\n"
)

// signed gives the proxy a key that signs the trail.
func (s *system) signed() *system {
	s.t.Helper()
	if out, status := s.shell("adminsessions key /etc/adminsessions/trail.key"); status != 0 {
		s.t.Fatal(out)
	}
	s.environment = append(s.environment, "ADMINSESSIONS_PROOF_KEY_FILE="+s.path("/etc/adminsessions/trail.key"))
	return s
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.work("well", 10)
	s.delivered()
	s.complete(s.loki, 10, publicKey)
	s.procedure(maintenance, "Is all well?", s.prints(nothingWaits, "complete: yes, unaltered: yes", "nothing found that would lose"))
	s.loki.Stop()
	s.work("waiting", 3)
	if out, _ := s.shell("adminsessions spool stat"); !strings.Contains(out, "waiting       3 events") {
		t.Errorf("%s", out)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.work("before", 10)
	s.loki.Stop()
	s.work("backlog", 10)
	s.procedure(maintenance, "The panel or the proxy", s.prints("waiting"))
	s.work("after", 10)
	s.loki.Restart()
	s.delivered()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.complete(s.loki, 30, publicKey)
	if logs, _ := s.shell("adminsessions verify"); strings.Count(logs, "numbers 1 to") != 1 {
		t.Errorf("want one log without a gap:\n%s", logs)
	}
}

// newer gives the spool's cursor the format of a version that is not there yet.
func (s *system) newer(version byte) {
	s.t.Helper()
	const slot, stride = 128, 4096 // see internal/spool
	name := filepath.Join(s.spool(), "cursor")
	b, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	modified, err := os.Stat(name)
	if err != nil {
		s.t.Fatal(err)
	}
	for at := 0; at+slot <= len(b); at += stride {
		part := b[at : at+slot]
		part[7] = version
		binary.LittleEndian.PutUint32(part[slot-4:], crc32.Checksum(part[:slot-4], crc32.MakeTable(crc32.Castagnoli)))
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Chtimes(name, modified.ModTime(), modified.ModTime())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestBackToAnOlderVersion(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.loki.Stop()
	s.work("newer", 10)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	const newest = 2
	s.newer(newest)
	err := s.start()
	if err == nil || !strings.Contains(err.Error(), "has the format of a newer version (2; this program knows up to 1)") {
		t.Fatalf("a spool of a newer version was opened, or refused otherwise: %v", err)
	}
	s.newer(newest - 1) // the newer program again
	s.mustStart()
	s.loki.Restart()
	s.delivered()
	s.procedure(maintenance, "Back to an older version", s.prints(nothingWaits, nothingQuarantined), nil)
	s.work("older", 10)
	s.delivered()
	s.complete(s.loki, 20, publicKey)
	if n := s.count(s.loki, "action:trail.spool_lost type:TRAIL"); n != "1" {
		t.Errorf("the trail says %s times that another spool was there, want once", n)
	}
}

func TestMoveASpool(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.loki.Stop()
	s.work("waiting", 10)
	s.procedure(maintenance, "A spool to another disk, a panel to another machine", nil)
	s.work("moved", 10)
	s.loki.Restart()
	s.delivered()
	s.complete(s.loki, 20, publicKey)
}

func TestCopyAndRestoreALoki(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	anchor := filepath.Join(s.dir, "anchor")
	s.environment = append(s.environment, "ADMINSESSIONS_PROOF_ANCHORS="+anchor)
	s.mustStart()
	s.work("copied", 20)
	s.delivered()
	s.complete(s.loki, 20, publicKey)
	s.procedure(maintenance, "Copy a Loki", nil)
	s.work("lost", 20)
	s.delivered()
	if err := s.stop(); err != nil { // a last checkpoint goes to the anchor
		t.Fatal(err)
	}
	s.complete(s.loki, 40, publicKey)

	// The copy proves itself at another address while the original is away.
	s.loki.Stop()
	s.shell("cp -a /backup/loki /backup/elsewhere")
	elsewhere := lokitest.Start(t, lokitest.WithDataDir(s.path("/backup/elsewhere")))
	s.complete(elsewhere, 20, publicKey)
	elsewhere.Stop()
	s.loki.Restart()

	s.procedure(maintenance, "Restore a Loki", nil)
	verify := "adminsessions verify --all --key " + publicKey
	if out, status := s.shell(verify); status != 0 {
		t.Errorf("nobody in the restored trail knows of more, and yet: %d\n%s", status, out)
	}
	if out, status := s.shell(verify + " --anchor " + anchor); status != 1 || !strings.Contains(out, "complete: no") || !strings.Contains(out, "MISSING events") {
		t.Errorf("the anchor knows of more, and yet: %d\n%s", status, out)
	}
	s.mustStart()
	s.work("after", 5)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if out, status := s.shell(verify); status != 1 || !strings.Contains(out, "complete: no") || !strings.Contains(out, "MISSING events") {
		t.Errorf("later events show what is missing, and yet: %d\n%s", status, out)
	}
	if n := s.count(s.loki, "url:/clients/"); !strings.HasPrefix(n, "25\n") || !strings.Contains(n, "numbers are missing") {
		t.Errorf("%q requests are in the restored trail, want the copy's 20 and 5 more, and a word on the gap", n)
	}
}

func TestEverythingStartsInAnyOrder(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	requests := 0
	work := func(tag string) {
		s.work(tag, 10)
		requests += 10
	}
	for i := range 2 {
		work(fmt.Sprint("panel-first-", i))
		s.kill()
		s.loki.Kill()
		s.mustStart()
		work(fmt.Sprint("alone-", i))
		s.loki.Restart()
		s.delivered()
		work(fmt.Sprint("loki-first-", i))
		s.loki.Kill()
		s.kill()
		s.loki.Restart()
		s.mustStart()
	}
	s.delivered()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.complete(s.loki, requests, publicKey)
}

func TestLeave(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.work("last", 20)
	s.delivered()
	s.procedure(maintenance, "Leave",
		s.prints(nothingWaits, nothingQuarantined),
		s.prints("complete: yes, unaltered: yes"),
		func(string) error {
			for file, want := range map[string]string{"events": "last-19", "trail": "trail.stopped"} {
				b, err := os.ReadFile(s.path("/backup/" + file + ".ndjson"))
				if err != nil {
					return err
				}
				if !bytes.Contains(b, []byte(want)) {
					return fmt.Errorf("%s: %q is not in it", file, want)
				}
			}
			return nil
		},
		nil)
	// Years later, with nothing but what was kept.
	offline := lokitest.Start(t, lokitest.WithDataDir(s.path("/backup/loki")))
	s.complete(offline, 20, "/backup/trail.key.pub")
}

// Entries that are older than Loki takes are delivered in their order, are found
// where they happened, and are proved.
func TestOlderThanLokiTakes(t *testing.T) {
	t.Parallel()
	const takes = 20 * time.Second
	s := newSystem(t, lokitest.WithArgs(fmt.Sprintf("-validation.reject-old-samples.max-age=%v", takes))).signed()
	s.mustStart()
	s.loki.Stop()
	s.work("old", 10)
	recorded := time.Now()
	eventually.NoError(t, 2*time.Minute, "the backlog is older than Loki takes", func() error {
		if age := time.Since(recorded); age < takes+5*time.Second {
			return fmt.Errorf("it is %v old", age)
		}
		return nil
	})
	s.work("young", 10)
	s.loki.Restart()
	s.delivered()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.complete(s.loki, 20, publicKey)
	out, _ := s.shell("adminsessions search --json --oldest url:/clients/old-")
	if n := strings.Count(out, " at="); n != 10 {
		t.Errorf("%d events have kept their own time, want 10", n)
	}
	if out, _ := s.shell("adminsessions search --utc url:/clients/old-9"); !strings.Contains(out, recorded.UTC().Format("2006-01-02 15:04")) {
		t.Errorf("the event is not shown at %v:\n%s", recorded.UTC(), out)
	}
}

// What an operator looks at first is true while Loki is away and when it is back.
func TestFirstLook(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.mustStart()
	s.work("delivered", 5)
	s.delivered()
	s.loki.Stop()
	s.work("waiting", 3)
	out, _ := s.shell("adminsessions spool stat; adminsessions quarantine ls; adminsessions doctor || true")
	if err := s.prints("waiting       3 events, the oldest of", nothingQuarantined, "connection refused")(out); err != nil {
		t.Error(err)
	}
	eventually.NoError(t, 2*time.Minute, "the proxy says that Loki is away", func() error {
		status, body, err := get(t.Context(), "http://"+s.operators+"/healthz", "")
		if err == nil && (status != http.StatusServiceUnavailable || !strings.Contains(body, "loki has not taken events since")) {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	if status, body, err := get(t.Context(), "http://"+s.operators+"/readyz", ""); err != nil || status != http.StatusOK {
		t.Errorf("events can be recorded, and yet: %d %s %v", status, body, err)
	}
	s.loki.Restart()
	s.delivered()
	s.procedure("operations.md", "First look", s.prints(nothingWaits, nothingQuarantined, "nothing found that would lose", "no gap"))
}
