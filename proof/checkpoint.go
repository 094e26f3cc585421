package proof

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// MaxGaps is how many gaps a checkpoint can declare: with them it still fits the
// line of an event.
const MaxGaps = 64

// Checkpoint is what a log says of itself at a time.
//
// As text it is a C2SP tlog-checkpoint: origin, size and root, a line each, then
// lines of its own for what is beside them:
//
//	adminsessions/3f0c9a6d5b1e8f42
//	118
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	time 2026-11-25T15:28:35.123456789Z
//	gap 100-103 spool_full
//	range CsUY… 8Xzp…
//	since 98 Ffo2… 8Xzp…
//	after adminsessions/91c2… 5000 Xajj…
type Checkpoint struct {
	Origin string // names the log: [OriginPrefix] and its id
	Size   uint64 // how many events it is about
	Root   Hash
	Range  []Hash // the tree's compact range, from which it can be continued
	Gaps   []Gap  // declared since the checkpoint before
	Time   time.Time
	// Since is the size of the checkpoint before, 0 if there was none, and Growth
	// the compact range of what was added: with the checkpoints that a log has had
	// anybody can show that it has only grown (see [Consistency]). Where Since is
	// 0, Growth is empty, and Range takes its place.
	Since  uint64
	Growth []Hash
	// After is the last checkpoint of the log that this one took the place of,
	// in the first checkpoint of a log; nil if it had none.
	After *Predecessor
}

// CheckpointAction is the action of the event that carries a checkpoint.
const CheckpointAction = "trail.checkpoint"

// Predecessor names the last checkpoint of another log.
type Predecessor struct {
	Origin string
	Size   uint64
	Root   Hash
}

// AsPredecessor is how the log after this one names the checkpoint.
func (c *Checkpoint) AsPredecessor() *Predecessor {
	return &Predecessor{Origin: c.Origin, Size: c.Size, Root: c.Root}
}

// OriginPrefix stands before a log's id in Checkpoint.Origin.
const OriginPrefix = "adminsessions/"

// Text is the checkpoint without a signature.
func (c *Checkpoint) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.Size, encode(c.Root))
	fmt.Fprintf(&b, "time %s\n", c.Time.UTC().Format(time.RFC3339Nano))
	for _, g := range c.Gaps {
		fmt.Fprintf(&b, "gap %d-%d %s\n", g.From, g.To, g.Reason)
	}
	if len(c.Range) > 0 {
		b.WriteString("range")
		appendHashes(&b, c.Range)
	}
	if c.Since > 0 {
		fmt.Fprintf(&b, "since %d", c.Since)
		appendHashes(&b, c.Growth)
	}
	if c.After != nil {
		fmt.Fprintf(&b, "after %s %d %s\n", c.After.Origin, c.After.Size, encode(c.After.Root))
	}
	return b.String()
}

func appendHashes(b *strings.Builder, hashes []Hash) {
	for _, h := range hashes {
		b.WriteString(" " + encode(h))
	}
	b.WriteByte('\n')
}

// Sign makes the signed note of a checkpoint.
func (c *Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing the checkpoint of %s at %d: %w", c.Origin, c.Size, err)
	}
	return signed, nil
}

// Open reads a signed note, and fails unless one of the keys has signed it and
// it describes one tree.
func Open(signed []byte, keys note.Verifiers) (*Checkpoint, error) {
	n, err := note.Open(signed, keys)
	if err != nil {
		return nil, fmt.Errorf("opening a checkpoint: %w", err)
	}
	c, err := ParseText(n.Text)
	if err == nil && len(c.Gaps) > MaxGaps {
		err = fmt.Errorf("it declares %d gaps; at most %d fit", len(c.Gaps), MaxGaps)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	return c, nil
}

// ParseText reads the text of a checkpoint, which describes one tree. Anybody may
// have written it.
func ParseText(text string) (*Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return nil, errors.New("it has fewer than three lines")
	}
	c := &Checkpoint{Origin: lines[0]}
	var err error
	if c.Size, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	if c.Root, err = decode(lines[2]); err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	known := lines[:3:3]
	for _, line := range lines[3:] {
		ours, err := c.parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %.40q: %w", line, err)
		}
		if ours {
			known = append(known, line)
		}
	}
	if c.Text() != strings.Join(known, "\n")+"\n" {
		return nil, errors.New("its lines are not in the form or the order in which they are written")
	}
	return c, c.check()
}

// check reports whether what the checkpoint says fits together.
func (c *Checkpoint) check() error {
	r, err := rangeOf(&ranges, c.Size, c.Range)
	if err != nil {
		return err
	}
	if root(r) != c.Root {
		return errors.New("its range is that of another root")
	}
	for i, g := range c.Gaps {
		if g.From == 0 || g.From > g.To || g.To > c.Size || i > 0 && g.From <= c.Gaps[i-1].To {
			return fmt.Errorf("gap %d-%d is not one", g.From, g.To)
		}
	}
	return c.validGrowth()
}

// parseLine reads a line of the log's own, and reports whether it was one: what
// it does not know it leaves to later versions.
func (c *Checkpoint) parseLine(line string) (ours bool, err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "time":
		c.Time, err = time.Parse(time.RFC3339Nano, rest)
	case "gap":
		err = c.parseGap(rest)
	case "range":
		c.Range, err = decodeAll(rest)
	case "since":
		size, hashes, some := strings.Cut(rest, " ")
		if c.Since, err = strconv.ParseUint(size, 10, 64); err == nil && some {
			c.Growth, err = decodeAll(hashes)
		}
	case "after":
		err = c.parsePredecessor(rest)
	default:
		return false, nil
	}
	return true, err
}

func (c *Checkpoint) parseGap(s string) error {
	numbers, reason, _ := strings.Cut(s, " ")
	from, to, _ := strings.Cut(numbers, "-")
	var g Gap
	var err1, err2 error
	g.From, err1 = strconv.ParseUint(from, 10, 64)
	g.To, err2 = strconv.ParseUint(to, 10, 64)
	g.Reason = reason
	c.Gaps = append(c.Gaps, g)
	return errors.Join(err1, err2)
}

func (c *Checkpoint) parsePredecessor(s string) error {
	words := strings.Split(s, " ")
	if len(words) != 3 {
		return errors.New("want an origin, a size and a root")
	}
	p := &Predecessor{Origin: words[0]}
	var err1, err2 error
	p.Size, err1 = strconv.ParseUint(words[1], 10, 64)
	p.Root, err2 = decode(words[2])
	c.After = p
	return errors.Join(err1, err2)
}

// maxHashes is more than a compact range can have.
const maxHashes = 128

func decodeAll(s string) (hashes []Hash, err error) {
	for s := range strings.SplitSeq(s, " ") {
		h, err := decode(s)
		if err != nil {
			return nil, err
		}
		if hashes = append(hashes, h); len(hashes) > maxHashes {
			return nil, errors.New("too many hashes")
		}
	}
	return hashes, nil
}

func encode(h Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }

func decode(s string) (h Hash, err error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return h, err
	}
	if len(b) != len(h) {
		return h, fmt.Errorf("%d bytes; want %d", len(b), len(h))
	}
	return Hash(b), nil
}
