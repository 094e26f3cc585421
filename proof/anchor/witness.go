package anchor

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/internal/atomicfile"
	"github.com/adminsessions/adminsessions/proof"
)

// Witness asks a C2SP tlog-witness (https://c2sp.org/tlog-witness) to sign
// checkpoints, too. It does so only if it is shown that the log has grown since
// the checkpoint that it signed before, so no second history of a log can be
// signed by it. The checkpoints with its signatures are appended to a file, from
// which verify takes them: [Witness.File].
//
// The witness must know the log's origin and public key.
type Witness struct {
	name   string
	url    string
	public note.Verifier
	keys   note.Verifiers // the log's
	dir    string
	client *http.Client
}

var _ proof.Anchor = (*Witness)(nil)

// NewWitness makes an anchor of a witness: the address below which it has
// add-checkpoint, its public key (name+hash+key, with the algorithm of
// cosignatures), the log's public keys, and a folder that it may write to, in
// which it keeps what it needs to prove growth, and the checkpoints with the
// witness's signatures.
func NewWitness(address, public string, keys note.Verifiers, dir string) (*Witness, error) {
	u, err := httpURL(address)
	if err != nil {
		return nil, fmt.Errorf("the witness: %w", err)
	}
	v, err := newCosigner(public)
	if err != nil {
		return nil, fmt.Errorf("the witness's public key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the witness's folder: %w", err)
	}
	return &Witness{"witness " + v.Name(), u.JoinPath("add-checkpoint").String(), v, keys, dir, newClient()}, nil
}

// Name is "witness" and the witness's own.
func (w *Witness) Name() string { return w.name }

// File is where the checkpoints that the witness has signed are, for [NewFile].
func (w *Witness) File() string { return CosignedFile(w.dir) }

// CosignedFile is [Witness.File] of a witness with that folder.
func CosignedFile(dir string) string { return filepath.Join(dir, "cosigned") }

// shown is a checkpoint that the witness has signed or may have, and what the log
// has grown by since.
type shown struct {
	Signed []byte            `json:"signed"`
	Grown  *proof.Checkpoint `json:"grown,omitempty"` // nil if it is the newest
	// Cosigned says that the witness has signed it. Only the first can be.
	Cosigned bool `json:"cosigned,omitempty"`

	checkpoint *proof.Checkpoint
}

// maxShown bounds how many checkpoints may have been signed without an answer that
// came back.
const maxShown = 8

// Anchor shows the witness a checkpoint.
func (w *Witness) Anchor(ctx context.Context, signed []byte) error {
	c, err := proof.Open(signed, w.keys)
	if err != nil {
		return err
	}
	earlier, err := w.load(c.Origin)
	if err != nil {
		return err
	}
	if n := len(earlier); n > 0 && (c.Size < earlier[n-1].checkpoint.Size || earlier[0].Cosigned && c.Size <= earlier[0].checkpoint.Size) {
		return nil // an older one, given again
	}
	if earlier, err = grow(earlier, c); err != nil {
		return err
	}
	// It may be signed although no answer comes.
	if n := len(earlier); n == 0 || earlier[n-1].checkpoint.Size != c.Size {
		if n == maxShown {
			earlier = append(earlier[:1], earlier[2:]...)
		}
		earlier = append(earlier, shown{Signed: signed, checkpoint: c})
	}
	if err := w.save(c.Origin, earlier); err != nil {
		return err
	}
	if err := w.show(ctx, earlier, c, signed); err != nil {
		return fmt.Errorf("showing a checkpoint to the witness: %w", err)
	}
	return w.save(c.Origin, []shown{{Signed: signed, Cosigned: true}})
}

// grow adds a checkpoint to what the log has grown by since earlier ones.
func grow(earlier []shown, c *proof.Checkpoint) ([]shown, error) {
	var kept []shown
	for _, e := range earlier {
		latest := e.checkpoint
		if e.Grown != nil {
			latest = e.Grown
		}
		switch {
		case latest.Size == c.Size && latest.Root == c.Root: // the same again, after an error
		case latest.Size != c.Since:
			continue
		case e.Grown == nil:
			e.Grown = c
		default:
			joined, err := proof.Join(e.Grown, c)
			if err != nil {
				return nil, err
			}
			e.Grown = joined
		}
		kept = append(kept, e)
	}
	if len(earlier) > 0 && len(kept) == 0 {
		return nil, fmt.Errorf("showing a checkpoint to the witness: checkpoints before the one of %d events were not given to it, so it can't be proved that the log has grown; adminsessions verify can, from those in the trail", c.Size)
	}
	return kept, nil
}

// show asks for a signature under a checkpoint. The witness has signed one of the
// earlier ones, most likely the first, or none.
func (w *Witness) show(ctx context.Context, earlier []shown, c *proof.Checkpoint, signed []byte) error {
	var old *proof.Checkpoint
	grown := c
	if len(earlier) > 1 {
		old, grown = earlier[0].checkpoint, earlier[0].Grown
	}
	for attempt := 0; ; attempt++ {
		status, text, err := w.ask(ctx, old, grown, signed)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			return w.keep(signed, text)
		case status == http.StatusNotFound || status == http.StatusForbidden:
			return fmt.Errorf("it answers %d %.200q; it must know the origin %s and the log's public key", status, text, c.Origin)
		case status != http.StatusConflict:
			return fmt.Errorf("it answers %d %.200q", status, text)
		}
		size, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		i := slices.IndexFunc(earlier, func(e shown) bool { return e.checkpoint.Size == size })
		if err != nil || i < 0 || attempt > 0 {
			return fmt.Errorf("it has signed a checkpoint of %.20q events, which was not shown to it from here: the log has another history, or what is kept in %s was lost", text, w.dir)
		}
		if old, grown = earlier[i].checkpoint, earlier[i].Grown; grown == nil {
			grown = c
		}
	}
}

// ask sends a request to sign a checkpoint that has grown from an earlier one, nil
// if there was none.
func (w *Witness) ask(ctx context.Context, old, grown *proof.Checkpoint, signed []byte) (status int, text []byte, err error) {
	var size uint64
	var hashes []proof.Hash
	if old != nil {
		size = old.Size
		if hashes, err = proof.Consistency(old, grown); err != nil {
			return 0, nil, err
		}
	}
	var body strings.Builder
	fmt.Fprintf(&body, "old %d\n", size)
	for _, h := range hashes {
		body.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	body.WriteString("\n")
	body.Write(signed)
	return post(ctx, w.client, w.url, "", []byte(body.String()))
}

// keep appends a checkpoint with the witness's signature to the file of those.
func (w *Witness) keep(signed, signatures []byte) error {
	both := append(append([]byte{}, signed...), signatures...)
	n, err := note.Open(both, note.VerifierList(w.public))
	if err != nil {
		return fmt.Errorf("its signature is not valid: %w", err)
	}
	cosigned := append([]byte{}, signed...)
	for _, s := range n.Sigs {
		cosigned = fmt.Appendf(cosigned, "— %s %s\n", s.Name, s.Base64)
	}
	return (&File{w.File()}).Anchor(context.Background(), cosigned)
}

func (w *Witness) path(origin string) string {
	h := sha256.Sum256([]byte(origin))
	return filepath.Join(w.dir, fmt.Sprintf("log-%x.json", h[:8]))
}

func (w *Witness) load(origin string) (earlier []shown, err error) {
	b, err := os.ReadFile(w.path(origin))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &earlier)
	}
	for i := range earlier {
		if err == nil {
			earlier[i].checkpoint, err = proof.Open(earlier[i].Signed, w.keys)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the witness was shown: %w", err)
	}
	return earlier, nil
}

func (w *Witness) save(origin string, earlier []shown) error {
	b, err := json.Marshal(earlier)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(w.path(origin), b); err != nil {
		return fmt.Errorf("noting what the witness was shown: %w", err)
	}
	return nil
}

// cosigner verifies the signatures of a witness: cosignature/v1 of
// https://c2sp.org/tlog-cosignature.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// algCosignature is the algorithm of a timestamped Ed25519 cosignature.
const algCosignature = 4

func newCosigner(public string) (*cosigner, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(public), "+")
	id, encoded, _ := strings.Cut(rest, "+")
	hash, err1 := strconv.ParseUint(id, 16, 32)
	key, err2 := base64.StdEncoding.DecodeString(encoded)
	if err := errors.Join(err1, err2); err != nil || name == "" || len(key) != 1+ed25519.PublicKeySize || key[0] != algCosignature {
		return nil, fmt.Errorf("%.80q is no Ed25519 key for cosignatures (name+hash+key)", public)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	if binary.BigEndian.Uint32(sum[:]) != uint32(hash) {
		return nil, fmt.Errorf("%.80q: the hash is not that of the key", public)
	}
	return &cosigner{name, uint32(hash), key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), text)
	return ed25519.Verify(c.key, message, sig[8:])
}
