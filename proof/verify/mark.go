package verify

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

// mark is a signed statement about a log's first events.
type mark struct {
	*proof.Checkpoint
	place  string
	signed string
	// rootOnly marks what another log has said of this one, its predecessor: it
	// has neither a range nor gaps.
	rootOnly bool
	// linked marks are of the log's one history.
	linked bool
}

// isOf reports whether a part of the log, to its end, is what was signed.
func (m *mark) isOf(p proof.Part) bool {
	if m.rootOnly {
		return p.HasRoot(m.Size, m.Root)
	}
	return p.IsOf(m.Checkpoint)
}

// ownPrefix is how the lines of the trail's own events begin.
const ownPrefix = "type=" + string(adminsessions.Trail) + " "

// isCheckpoint reports whether a line says that it is the event of a checkpoint.
// It may be anybody's.
func isCheckpoint(line string) bool {
	return strings.HasPrefix(line, ownPrefix) && strings.Contains(line, " action="+proof.CheckpointAction+" ")
}

// checkpointIn opens the checkpoint that an entry of a log carries.
func checkpointIn(e *loki.Entry, log string, keys note.Verifiers) (*mark, error) {
	event, err := adminsessions.ParseLine(e.Line)
	if err != nil {
		return nil, err
	}
	if event.Type != adminsessions.Trail || event.Action != proof.CheckpointAction || event.Checkpoint == "" {
		return nil, errors.New("it carries no checkpoint")
	}
	m, err := open([]byte(event.Checkpoint), keys, inLog)
	if err != nil {
		return nil, err
	}
	if m.Origin != proof.OriginPrefix+log {
		return nil, fmt.Errorf("it is about %q", m.Origin)
	}
	return m, nil
}

func open(signed []byte, keys note.Verifiers, place string) (*mark, error) {
	c, err := proof.Open(signed, keys)
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return nil, fmt.Errorf("it is signed by %s, none of which is a known key", signers(unverified.Note))
	case errors.As(err, &invalid):
		return nil, fmt.Errorf("its signature by %s+%08x is not valid", invalid.Name, invalid.Hash)
	case err != nil:
		return nil, err
	}
	return &mark{Checkpoint: c, place: place, signed: string(signed)}, nil
}

func signers(n *note.Note) string {
	var names []string
	for _, s := range n.UnverifiedSigs {
		names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return strings.Join(names, ", ")
}

// foreignMetadata reports whether an entry has structured metadata that Loki does
// not add by itself: the exporter writes none, and metadata could take the place
// of what a query reads out of a line.
func foreignMetadata(e *loki.Entry) bool {
	for name := range e.Metadata {
		if name != "detected_level" {
			return true
		}
	}
	return false
}

func entryOf(e *loki.Entry, why string) Entry {
	const most = 300
	line := e.Line
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + " …"
	}
	return Entry{Time: time.Unix(0, e.Nanos).UTC(), Line: line, Why: why}
}
