package proof_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/proof"
)

// opens reports whether a checkpoint signed by keys is opened with a public key.
func opens(t *testing.T, public string, keys ...*proof.Key) error {
	t.Helper()
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	var signers []note.Signer
	for _, k := range keys {
		signers = append(signers, k)
	}
	c := proof.NewTree().Checkpoint(origin, time.Unix(1, 0))
	signed, err := c.Sign(signers...)
	if err != nil {
		return err
	}
	_, err = proof.Open(signed, note.VerifierList(verifier))
	return err
}

func TestKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "panel")
	made, err := proof.MakeKeyFile(path, "panel")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	again, err := proof.MakeKeyFile(path, "another")
	if err != nil || len(again) != 1 || again[0].Public() != made[0].Public() || again[0].Name() != "panel" {
		t.Fatalf("read again: %v, %v", again, err)
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil || strings.TrimSpace(string(public)) != made[0].Public() {
		t.Errorf("public key %q, %v", public, err)
	}
	if err := opens(t, made[0].Public(), again...); err != nil {
		t.Error(err)
	}
	// Rotation: both sign, and either opens.
	private, next, err := proof.NewKey("panel-2027")
	if err != nil {
		t.Fatal(err)
	}
	old, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte("# the new one\n"+private+"\n\n"+string(old)), 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := proof.ReadKeyFile(path)
	if err != nil || len(both) != 2 {
		t.Fatalf("%v, %v", both, err)
	}
	for _, k := range []*proof.Key{made[0], next} {
		if err := opens(t, k.Public(), both...); err != nil {
			t.Errorf("with %s: %v", k.Name(), err)
		}
	}
	for _, bad := range []string{"", "# nothing\n", "PRIVATE+KEY+x+y+z", "secret", private + "\nsecret"} {
		if _, err := proof.ReadKeys(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Keys whose base64 holds plus signs, too.
func TestManyKeys(t *testing.T) {
	for range 200 {
		private, k, err := proof.NewKey("panel")
		if err != nil {
			t.Fatal(err)
		}
		read, err := proof.ReadKeys(private)
		if err != nil || read[0].Public() != k.Public() {
			t.Fatalf("%s: %v", private, err)
		}
	}
}

func TestCommandKey(t *testing.T) {
	private, k, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROOF_TEST_KEY", key)
	signing, err := proof.CommandKey(k.Public(), os.Args[0], "-test.run=TestSigningCommand")
	if err != nil {
		t.Fatal(err)
	}
	if err := opens(t, k.Public(), signing); err != nil {
		t.Error(err)
	}
	_, other, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		public  string
		command []string
		want    string
	}{
		"another key":         {other.Public(), []string{os.Args[0], "-test.run=TestSigningCommand"}, "no signature of the checkpoint"},
		"nothing written":     {k.Public(), []string{"true"}, "has not written a signature"},
		"fails":               {k.Public(), []string{"sh", "-c", "echo locked >&2; exit 3"}, "locked"},
		"no such command":     {k.Public(), []string{"/no/such/command"}, "no such file"},
		"no command":          {k.Public(), nil, "is empty"},
		"no public key":       {"x", []string{"true"}, "want name+hash+key"},
		"says more than that": {k.Public(), []string{"sh", "-c", "echo hello"}, "has not written a signature"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := proof.CommandKey(c.public, c.command...)
			if err == nil {
				err = opens(t, other.Public(), k)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

// TestSigningCommand is the command of TestCommandKey.
func TestSigningCommand(t *testing.T) {
	path := os.Getenv("PROOF_TEST_KEY")
	if path == "" {
		return
	}
	keys, err := proof.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	msg := make([]byte, 1<<16)
	n, _ := os.Stdin.Read(msg)
	sig, err := keys[0].Sign(msg[:n])
	if err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.Write(sig)
	os.Exit(0) // before the test framework writes
}
