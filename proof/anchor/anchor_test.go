package anchor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/adminsessions/adminsessions/proof"
)

const origin = proof.OriginPrefix + "3f0c9a6d5b1e8f42"

// checkpoints makes signed checkpoints of a log.
type checkpoints struct {
	t      testing.TB
	signer note.Signer
	public string
	keys   note.Verifiers
	tree   *proof.Tree
}

func newCheckpoints(t testing.TB) *checkpoints {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "panel")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return &checkpoints{t, signer, public, note.VerifierList(verifier), proof.NewTree()}
}

func (c *checkpoints) next(events int) []byte {
	c.t.Helper()
	for range events {
		h, _ := proof.Leaf("{}", 1, rand.Text(), nil)
		c.tree.Append(h)
	}
	point := c.tree.Checkpoint(origin, time.Unix(1, 0))
	signed, err := point.Sign(c.signer)
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

func read(t *testing.T, a proof.Archive) (notes []string) {
	t.Helper()
	for n, err := range a.Checkpoints(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, string(n))
	}
	return notes
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "anchor")
	f, err := NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := newCheckpoints(t)
	var want []string
	for i := range 5 {
		signed := c.next(i + 1)
		if err := f.Anchor(t.Context(), signed); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(signed))
		if i == 2 { // the machine dies while it appends
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text[:len(text)-20], 0o600); err != nil {
				t.Fatal(err)
			}
			want = want[:2]
		}
	}
	got := slices.DeleteFunc(read(t, f), func(n string) bool { // the half one
		_, err := proof.Open([]byte(n), c.keys)
		return err != nil
	})
	if !slices.Equal(got, want) {
		t.Errorf("read back %q\nwant %q", got, want)
	}
	for name, path := range map[string]string{"no name": "", "no folder": filepath.Join(t.TempDir(), "a", "b"), "a folder": t.TempDir()} {
		if _, err := NewFile(path); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestNotesOfAnyText(t *testing.T) {
	c := newCheckpoints(t)
	one, two := string(c.next(3)), string(c.next(4))
	for name, text := range map[string]string{
		"as they are":           one + two,
		"with empty lines":      "\n\n" + one + "\n\n" + two + "\n",
		"with other text":       "From: somebody\n" + one + "\n-- \nhello\n" + two + "---\n",
		"with one half before":  one[:30] + "\n" + one + two,
		"with one half between": one + one[:200] + "\n" + two + "\n" + two[:len(two)-3],
		"with long lines":       strings.Repeat("x", 3*maxNote) + "\n" + one + strings.Repeat("y", maxNote) + "\n" + two,
	} {
		var got []string
		for n, err := range Notes(strings.NewReader(text)) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := proof.Open(n, c.keys); err == nil {
				got = append(got, string(n))
			}
		}
		if len(got) != 2 || !strings.HasPrefix(got[0], one) || !strings.HasPrefix(got[1], strings.TrimSuffix(two, "\n")) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzNotes(f *testing.F) {
	f.Add([]byte("adminsessions/x\n1\n\n— a b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for n, err := range Notes(bytes.NewReader(b)) {
			if err != nil || !bytes.Contains(n, []byte(signature)) {
				t.Fatal(n, err)
			}
			total += len(n)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of %d", total, len(b))
		}
	})
}

func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	var got []string
	answer := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, strings.Join(got, "\n"))
			return
		}
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if answer/100 == 2 {
			got = append(got, string(body))
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answer)
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := NewWebhook(server.URL+"/checkpoints?x=y", token)
	if err != nil {
		t.Fatal(err)
	}
	c := newCheckpoints(t)
	first := c.next(3)
	if err := w.Anchor(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, answer = range []int{302, 404, 500} {
		if err := w.Anchor(t.Context(), c.next(1)); err == nil || !strings.Contains(err.Error(), strconv.Itoa(answer)) {
			t.Errorf("answer %d: %v", answer, err)
		}
	}
	a, err := Open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if back := read(t, a); !slices.Equal(back, []string{string(first)}) {
		t.Errorf("read back %q", back)
	}
	for _, address := range []string{"http://example.com", "ftp://example.com", "https://", "https://user:pass@example.com", "://", ""} {
		if _, err := NewWebhook(address, ""); err == nil || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// An address may hold a secret in its path or its query. No error repeats it, and a
// token that is not there is told at the start.
func TestAddressesAreNotTold(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close() // nobody answers
	address := server.URL + "/s3cret?token=s3cret"
	w, err := NewWebhook(address, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Anchor(t.Context(), []byte("x")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("posting: %v", err)
	}
	a, err := NewURL(address, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range a.Checkpoints(t.Context()) {
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("reading: %v", err)
		}
	}
	if _, err := NewWebhook("http://example.com/s3cret?token=s3cret", ""); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("without TLS: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "token")
	_, posting := NewWebhook(address, missing)
	_, reading := NewURL(address, missing)
	if posting == nil || reading == nil {
		t.Errorf("a token that is not there: %v, %v", posting, reading)
	}
}

// witness is one by other hands: it checks proofs with golang.org/x/mod/sumdb/tlog.
type witness struct {
	mu      sync.Mutex
	keys    note.Verifiers
	private ed25519.PrivateKey
	size    int64
	root    tlog.Hash
	lose    bool // signs, and the answer is lost
}

func (w *witness) public() string {
	key := append([]byte{4}, w.private.Public().(ed25519.PublicKey)...)
	return fmt.Sprintf("witness.example+%08x+%s", w.hash(), base64.StdEncoding.EncodeToString(key))
}

func (w *witness) hash() uint32 {
	h := sha256.Sum256(append([]byte("witness.example\n\x04"), w.private.Public().(ed25519.PublicKey)...))
	return binary.BigEndian.Uint32(h[:])
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	head, signed, _ := strings.Cut(string(body), "\n\n")
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	n, err2 := note.Open([]byte(signed), w.keys)
	if err != nil || err2 != nil || r.URL.Path != "/w/add-checkpoint" {
		rw.WriteHeader(http.StatusForbidden)
		return
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.Join(strings.Split(n.Text, "\n")[1:3], "\n") + "\n"))
	if err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	if old != w.size || old == tree.N && tree.Hash != w.root {
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintf(rw, "%d\n", w.size)
		return
	}
	var p tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		p = append(p, h)
	}
	if old > 0 && tlog.CheckTree(p, tree.N, tree.Hash, old, w.root) != nil {
		rw.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	w.size, w.root = tree.N, tree.Hash
	if w.lose {
		w.lose = false
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	now := uint64(1_790_000_000)
	sig := ed25519.Sign(w.private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", now, n.Text))
	full := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, w.hash()), now)
	fmt.Fprintf(rw, "— witness.example %s\n", base64.StdEncoding.EncodeToString(append(full, sig...)))
}

func TestWitness(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := newCheckpoints(t)
	other := &witness{keys: c.keys, private: private}
	server := httptest.NewServer(other)
	defer server.Close()
	dir := t.TempDir()
	open := func() *Witness {
		w, err := NewWitness(server.URL+"/w", other.public(), c.keys, dir)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	show := func(signed []byte) {
		t.Helper()
		if err := open().Anchor(t.Context(), signed); err != nil { // a new process each time
			t.Fatal(err)
		}
	}
	first := c.next(5)
	show(first)
	show(c.next(1))
	last := c.next(100)
	show(last)
	show(last)
	show(first) // as a new process gives the last ones again
	// It is away for a while, and then signs the newest.
	server.Config.Handler = http.NotFoundHandler()
	for range 3 {
		if err := open().Anchor(t.Context(), c.next(7)); err == nil {
			t.Error("nobody signed")
		}
	}
	server.Config.Handler = other
	show(c.next(2))
	// It signs, and the answer is lost, more than once.
	for range 3 {
		other.mu.Lock()
		other.lose = true
		other.mu.Unlock()
		if err := open().Anchor(t.Context(), c.next(3)); err == nil {
			t.Error("the answer was lost")
		}
	}
	show(c.next(4))
	if want := c.tree.Size(); other.size != int64(want) {
		t.Errorf("it has signed %d events, want %d", other.size, want)
	}
	// What it has signed is read back, with the panel's signature and its own.
	f, err := NewFile(open().File())
	if err != nil {
		t.Fatal(err)
	}
	notes := read(t, f)
	cosigner, err := newCosigner(other.public())
	if err != nil || len(notes) != 5 {
		t.Fatal(len(notes), err)
	}
	for _, n := range notes {
		if _, err := proof.Open([]byte(n), note.VerifierList(cosigner)); err != nil {
			t.Error(err)
		}
		if _, err := proof.Open([]byte(n), c.keys); err != nil {
			t.Error(err)
		}
	}
	// A checkpoint is left out: growth can't be proved, and it says so.
	c.next(3)
	if err := open().Anchor(t.Context(), c.next(3)); err == nil || !strings.Contains(err.Error(), "were not given to it") {
		t.Errorf("with one left out: %v", err)
	}
	// Another history of the log is never signed.
	fork := newCheckpoints(t)
	fork.signer, fork.keys = c.signer, c.keys
	w, err := NewWitness(server.URL+"/w", other.public(), c.keys, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Anchor(t.Context(), fork.next(500)); err == nil || !strings.Contains(err.Error(), "another history") {
		t.Errorf("a fork: %v", err)
	}
	if _, err := NewWitness(server.URL, c.public, c.keys, t.TempDir()); err == nil {
		t.Error("a key that is none of a witness is taken")
	}
}
