package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/internal/credential"
)

// Key signs checkpoints. It is a [note.Signer]: an Ed25519 key with a name, which
// tells keys apart: "panel.example-2026".
type Key struct {
	note.Signer
	public string
}

// Public is the key's public half, name+hash+key: what verify needs.
func (k *Key) Public() string { return k.public }

// NewKey makes a key. Its private half is a line to be kept secret,
// PRIVATE+KEY+name+hash+key.
func NewKey(name string) (private string, k *Key, err error) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", nil, fmt.Errorf("making a key: %w", err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return "", nil, fmt.Errorf("making a key named %q: %w; want a name without spaces and plus signs", name, err)
	}
	return private, &Key{signer, public}, nil
}

// ReadKeys reads private keys, one a line; empty lines and those that begin with
// a # are passed over. Each of them signs every checkpoint: while a key is replaced,
// the old one and the new one both do.
func ReadKeys(text string) ([]*Key, error) {
	var keys []*Key
	for number, line := range credential.Lines(text) {
		k, err := readKey(line)
		if err != nil {
			// Not with %w: an error could quote the key.
			return nil, fmt.Errorf("line %d is no private key; want PRIVATE+KEY+name+hash+key", number)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no private key; want PRIVATE+KEY+name+hash+key, one a line")
	}
	return keys, nil
}

func readKey(private string) (*Key, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	// note.NewSigner has read it; the seed stands behind the fourth plus, after a
	// byte for the kind of key. Base64 may hold plus signs.
	parts := strings.SplitN(private, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, errors.New("not an Ed25519 key")
	}
	key := ed25519.NewKeyFromSeed(raw[1:])
	public, err := note.NewEd25519VerifierKey(signer.Name(), key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &Key{signer, public}, nil
}

// ReadKeyFile reads private keys from a file, see [ReadKeys].
func ReadKeyFile(path string) ([]*Key, error) {
	text, err := credential.File(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key that signs checkpoints: %w", err)
	}
	keys, err := ReadKeys(text)
	if err != nil {
		return nil, fmt.Errorf("reading the key that signs checkpoints from %s: %w", path, err)
	}
	return keys, nil
}

// MakeKeyFile is [ReadKeyFile], and makes a key with that name if there is no such
// file, its public half beside it in path.pub. Make it elsewhere than on the machine
// whose data it signs, or take the public half away from there at once:
// whoever has both the data and the key can sign whatever he likes.
func MakeKeyFile(path, name string) ([]*Key, error) {
	keys, err := ReadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	private, k, err := NewKey(name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the key that signs checkpoints: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return ReadKeyFile(path)
	}
	if err == nil {
		_, err = f.WriteString(private + "\n")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.WriteFile(path+".pub", []byte(k.public+"\n"), 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("making the key that signs checkpoints: %w", err)
	}
	return []*Key{k}, nil
}

// commandTimeout is how long a command may take to sign.
const commandTimeout = 20 * time.Second

// CommandKey is a key that a command holds, such as one that asks an HSM or a
// key management service. The command is given the text to be signed on its
// standard input, and writes the Ed25519 signature, 64 bytes or their base64, to
// its standard output. public is the key's public half, name+hash+key. Each
// signature is checked.
func CommandKey(public string, command ...string) (*Key, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return nil, fmt.Errorf("the public half of the key that a command holds: %w; want name+hash+key", err)
	}
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New("the command that signs checkpoints is empty")
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("the command that signs checkpoints: %w", err)
	}
	return &Key{&commandSigner{verifier, path, command[1:]}, strings.TrimSpace(public)}, nil
}

type commandSigner struct {
	note.Verifier
	path string
	args []string
}

func (s *commandSigner) Sign(msg []byte) ([]byte, error) {
	out, err := credential.Output(commandTimeout, msg, append([]string{s.path}, s.args...)...)
	if err != nil {
		return nil, fmt.Errorf("the command %s that signs checkpoints: %w", s.path, err)
	}
	if len(out) != ed25519.SignatureSize {
		if out, err = base64.StdEncoding.DecodeString(string(bytes.TrimSpace(out))); err != nil || len(out) != ed25519.SignatureSize {
			return nil, fmt.Errorf("the command %s that signs checkpoints has not written a signature of %d bytes, nor its base64", s.path, ed25519.SignatureSize)
		}
	}
	if !s.Verify(msg, out) {
		return nil, fmt.Errorf("what the command %s has written is no signature of the checkpoint by the key %s", s.path, s.Name())
	}
	return out, nil
}
