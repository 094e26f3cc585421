package operations

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestRotateLokisPassword(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	behind, err := url.Parse(s.loki.URL())
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(behind)
	var password atomic.Value
	password.Store("old")
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, p, _ := r.BasicAuth(); user != "panel" || p != password.Load() {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(gateway.Close)
	s.write("/etc/adminsessions/loki-password", "old\n")
	s.environment = append(s.environment, "ADMINSESSIONS_LOKI_URL="+gateway.URL,
		"ADMINSESSIONS_LOKI_USERNAME=panel", "ADMINSESSIONS_LOKI_PASSWORD_FILE="+s.path("/etc/adminsessions/loki-password"), "NEW_PASSWORD=new")
	s.mustStart()
	s.work("old", 5)
	s.delivered()
	password.Store("new")
	s.work("between", 5)
	if out, _ := s.shell("adminsessions spool stat"); !strings.Contains(out, "waiting       5 events") {
		t.Errorf("with a password that is not valid:\n%s", out)
	}
	s.procedure(maintenance, "Loki's password", nil)
	s.work("new", 5)
	s.delivered()
	if out, status := s.shell("adminsessions verify"); status != 0 || !strings.Contains(out, "no gap") {
		t.Errorf("%d\n%s", status, out)
	}
	if out, _ := s.shell("adminsessions search --count url:/clients/"); strings.TrimSpace(out) != "15" {
		t.Errorf("%s requests are in the trail, want 15", out)
	}
	if _, err := os.Stat(filepath.Join(s.spool(), "quarantine.ndjson")); err == nil {
		t.Error("something is in quarantine")
	}
}

func TestRotateTheProofKey(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.work("old", 10)
	s.complete(s.loki, 10, publicKey)
	s.shell("cp " + publicKey + " /backup/old.pub")
	s.procedure(maintenance, "The key that signs the trail",
		func(string) error { s.work("both", 10); s.delivered(); return nil },
		s.prints("complete: yes, unaltered: yes"),
		s.prints("complete: yes, unaltered: yes"))
	s.work("new", 10)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.complete(s.loki, 30, publicKey)
	// Each key alone: the old one does not know of what came, the new one vouches for
	// all of it.
	if out, _ := s.shell("adminsessions verify --all --key /backup/old.pub"); !strings.Contains(out, "complete: yes, unaltered: yes") || !strings.Contains(out, "not judged events") {
		t.Errorf("with the old key:\n%s", out)
	}
	if out, _ := s.shell("tail -1 " + publicKey + " > /backup/new.pub; adminsessions verify --all --key /backup/new.pub"); !strings.Contains(out, "complete: yes, unaltered: yes") || strings.Contains(out, "not judged events") {
		t.Errorf("with the new key:\n%s", out)
	}
	out, _ := s.shell("adminsessions search --oldest --json action:trail.started type:TRAIL")
	for _, want := range []string{"signed by trail\"", "signed by trail, trail-2027", "signed by trail-2027"} {
		if !strings.Contains(strings.ReplaceAll(out, `\"`, `"`), want) {
			t.Errorf("the trail does not say %q:\n%s", want, out)
		}
	}
}

func TestRotateTheSpoolKey(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.shell("head -c 32 /dev/urandom | base64 > /etc/adminsessions/spool-key")
	s.environment = append(s.environment, "ADMINSESSIONS_SPOOL_KEY_FILE="+s.path("/etc/adminsessions/spool-key"))
	s.mustStart()
	s.loki.Stop()
	s.work("old", 10)
	s.procedure(maintenance, "The spool's key",
		func(string) error { s.work("both", 10); s.loki.Restart(); s.delivered(); return nil },
		s.prints(nothingWaits, nothingQuarantined),
		nil)
	s.work("new", 10)
	s.delivered()
	s.complete(s.loki, 30, publicKey)
	// The old key taken away too early.
	s.loki.Stop()
	s.work("early", 10)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.shell("cp /etc/adminsessions/spool-key /etc/adminsessions/right; head -c 32 /dev/urandom | base64 > /etc/adminsessions/spool-key")
	if err := s.start(); err == nil || !strings.Contains(err.Error(), "another key than those given") {
		t.Errorf("it started without the key of its spool: %v", err)
	}
	s.shell("cat /etc/adminsessions/right >> /etc/adminsessions/spool-key")
	s.mustStart()
	s.loki.Restart()
	s.delivered()
	s.complete(s.loki, 40, publicKey)
}

func TestEncryptASpoolThatWasNot(t *testing.T) {
	t.Parallel()
	s := newSystem(t).signed()
	s.mustStart()
	s.work("plain", 10)
	s.delivered()
	s.shell("head -c 32 /dev/urandom | base64 > /etc/adminsessions/spool-key")
	plain := s.environment
	s.environment = append(s.environment, "ADMINSESSIONS_SPOOL_KEY_FILE="+s.path("/etc/adminsessions/spool-key"))
	// The operator's shell has the key as well, and looks at a spool that is not encrypted.
	s.procedure(maintenance, "Encrypt a spool that was not, or give that up", s.prints(nothingWaits, nothingQuarantined), nil)
	s.loki.Stop()
	s.work("sealed", 10)
	if segments, err := filepath.Glob(filepath.Join(s.spool(), "*.seg")); err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	} else if b, err := os.ReadFile(segments[0]); err != nil || bytes.Contains(b, []byte("sealed-1")) {
		t.Errorf("an event can be read on the disk, %v", err)
	}
	s.loki.Restart()
	s.delivered()
	s.complete(s.loki, 20, publicKey)
	// And back.
	s.shell("rm -r /var/lib/adminsessions/spool.before")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.shell("mv /var/lib/adminsessions/spool /var/lib/adminsessions/spool.before")
	s.environment = plain
	s.mustStart()
	s.work("plain-again", 10)
	s.delivered()
	s.complete(s.loki, 30, publicKey)
}
