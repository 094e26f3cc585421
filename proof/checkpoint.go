package proof

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// MaxGaps is how many gaps a checkpoint can declare.
const MaxGaps = 256

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
//	after adminsessions/91c2… 5000 Xajj…
type Checkpoint struct {
	Origin string // names the log: [OriginPrefix] and its id
	Size   uint64 // how many events it is about
	Root   Hash
	Range  []Hash // the tree's compact range, from which it can be continued
	Gaps   []Gap  // declared since the checkpoint before
	Time   time.Time
	// After is the last checkpoint of the log that this one took the place of,
	// in the first checkpoint of a log; nil if it had none.
	After *Predecessor
}

// Predecessor names the last checkpoint of another log.
type Predecessor struct {
	Origin string
	Size   uint64
	Root   Hash
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
		for _, h := range c.Range {
			b.WriteString(" " + encode(h))
		}
		b.WriteByte('\n')
	}
	if c.After != nil {
		fmt.Fprintf(&b, "after %s %d %s\n", c.After.Origin, c.After.Size, encode(c.After.Root))
	}
	return b.String()
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
	c, err := parse(n.Text)
	if err != nil {
		return nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	return c, nil
}

func parse(text string) (*Checkpoint, error) {
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
	for _, line := range lines[3:] {
		if err := c.parseLine(line); err != nil {
			return nil, fmt.Errorf("line %.40q: %w", line, err)
		}
	}
	r, err := rangeOf(c.Size, c.Range)
	if err != nil {
		return nil, err
	}
	if root(r) != c.Root {
		return nil, errors.New("its range is that of another root")
	}
	for i, g := range c.Gaps {
		if g.From == 0 || g.From > g.To || g.To > c.Size || i > 0 && g.From <= c.Gaps[i-1].To {
			return nil, fmt.Errorf("gap %d-%d is not one", g.From, g.To)
		}
	}
	return c, nil
}

// parseLine reads a line of the log's own. What it does not know it leaves to
// later versions.
func (c *Checkpoint) parseLine(line string) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "time":
		c.Time, err = time.Parse(time.RFC3339Nano, rest)
	case "gap":
		var g Gap
		numbers, reason, _ := strings.Cut(rest, " ")
		from, to, _ := strings.Cut(numbers, "-")
		var err1, err2 error
		g.From, err1 = strconv.ParseUint(from, 10, 64)
		g.To, err2 = strconv.ParseUint(to, 10, 64)
		g.Reason, err = reason, errors.Join(err1, err2)
		if c.Gaps = append(c.Gaps, g); len(c.Gaps) > MaxGaps {
			err = errors.New("too many gaps")
		}
	case "range":
		for s := range strings.SplitSeq(rest, " ") {
			h, err := decode(s)
			if err != nil || len(c.Range) == 64 {
				return errors.Join(errors.New("not a range"), err)
			}
			c.Range = append(c.Range, h)
		}
	case "after":
		p := &Predecessor{}
		words := strings.Split(rest, " ")
		if len(words) != 3 {
			return errors.New("want an origin, a size and a root")
		}
		p.Origin = words[0]
		var err1, err2 error
		p.Size, err1 = strconv.ParseUint(words[1], 10, 64)
		p.Root, err2 = decode(words[2])
		c.After, err = p, errors.Join(err1, err2)
	}
	return err
}

// sameTree reports whether two checkpoints of one size are of one tree.
func (c *Checkpoint) sameTree(d *Checkpoint) bool {
	return c.Size == d.Size && c.Root == d.Root && slices.Equal(c.Range, d.Range)
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
