package proofconfig

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/proof"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is brought to the anchors of a file is read back by who has the file, without
// the key.
func TestWhatIsAnchoredIsReadBack(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var posted []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost {
			b, _ := io.ReadAll(r.Body)
			posted = append(append(posted, '\n'), b...)
			return
		}
		_, _ = w.Write(posted)
	}))
	defer server.Close()
	keys, err := proof.MakeKeyFile(filepath.Join(dir, "trail.key"), "panel")
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, dir, "proxy.yaml", fmt.Sprintf("listen: x\nproof:\n  key_file: %[1]s/trail.key\n  anchors:\n    - file: %[1]s/checkpoints\n    - webhook: {url: %[2]s, token_file: %[3]s}\n",
		dir, server.URL, write(t, dir, "token", "t0ken\n")))
	p, err := Read(config)
	if err != nil {
		t.Fatal(err)
	}
	made, anchors, err := p.Make()
	if err != nil || len(made) != 1 || made[0].Public() != keys[0].Public() || len(anchors) != 2 {
		t.Fatalf("%d keys, %d anchors, %v", len(made), len(anchors), err)
	}
	tree := proof.NewTree()
	tree.AppendGap(3, proof.Unproven)
	c := tree.Checkpoint(proof.OriginPrefix+"a1", time.Now())
	signed, err := c.Sign(made[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range anchors {
		if err := a.Anchor(t.Context(), signed); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "trail.key")); err != nil {
		t.Fatal(err)
	}
	if p, err = Read(config); err != nil {
		t.Fatal(err)
	}
	archives, err := p.Archives()
	if err != nil || len(archives) != 2 {
		t.Fatalf("%d archives, %v", len(archives), err)
	}
	for _, a := range archives {
		n := 0
		for got, err := range a.Checkpoints(t.Context()) {
			if n++; err != nil || string(got) != string(signed) {
				t.Errorf("%s: %q, %v", a.Name(), got, err)
			}
		}
		if n != 1 {
			t.Errorf("%s has %d checkpoints", a.Name(), n)
		}
	}
}

// Who looks at a configuration does not make a witness's folder, which would be his
// and not the service's.
func TestCheckingLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if _, err := proof.MakeKeyFile(filepath.Join(dir, "trail.key"), "panel"); err != nil {
		t.Fatal(err)
	}
	const witness = "witness.example/w1+5a1c9b0f+BAAA"
	p := &Proof{KeyFile: filepath.Join(dir, "trail.key"), Anchors: []Anchor{{Witness: &Witness{URL: "https://witness.example", PublicKey: witness, Dir: filepath.Join(dir, "witness")}}}}
	if _, err := p.InWords(func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("a witness with a wrong key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "witness")); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}

// What is wrong with an anchor is told when a configuration is looked at, and nothing
// that is secret with it.
func TestNothingSecretIsTold(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "token")
	for name, c := range map[string]struct {
		proof Proof
		env   string
		want  string // of the error, or of the words
	}{
		"a token that is not there":        {Proof{Anchors: []Anchor{{Webhook: &Webhook{URL: "https://x.example", TokenFile: missing}}}}, "", missing},
		"credentials that are not there":   {Proof{Anchors: []Anchor{{S3: &S3{Endpoint: "x.example", Bucket: "b", Retention: 24 * time.Hour, CredentialsFile: missing}}}}, "", "credentials_file: open " + missing},
		"a name and a password of S3":      {Proof{Anchors: []Anchor{{S3: &S3{Endpoint: "AKIA:s3cret@x.example", Bucket: "b", Retention: 24 * time.Hour}}}}, "", "holds credentials"},
		"a name and a password":            {Proof{}, "https://user:s3cret@x.example", "ADMINSESSIONS_PROOF_ANCHORS: the anchor's webhook: its address holds credentials"},
		"a token in an address":            {Proof{}, "https://x.example/s3cret?token=s3cret", "webhook x.example"},
		"a relative path":                  {Proof{}, "checkpoints", "ADMINSESSIONS_PROOF_ANCHORS: an anchor is neither"},
		"a token in an address, in a file": {Proof{Anchors: []Anchor{{Webhook: &Webhook{URL: "https://x.example/s3cret"}}}}, "", "webhook x.example"},
	} {
		w, err := c.proof.InWords(func(name string) string {
			if name == "ADMINSESSIONS_PROOF_ANCHORS" {
				return c.env
			}
			return ""
		})
		if said := fmt.Sprint(err, w); !strings.Contains(said, c.want) || strings.Contains(said, "s3cret") {
			t.Errorf("%s: %s", name, said)
		}
	}
}
