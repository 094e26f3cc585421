package anchor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/adminsessions/adminsessions/proof"
)

// maxNote bounds a checkpoint that is read back.
const maxNote = 16 << 10

// Notes yields the signed notes in a text in which they follow each other,
// separated by an empty line. What is none, such as the rest of one that was not
// written to its end, is left out.
func Notes(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(r, maxNote)
		var s splitter
		for {
			line, err := in.ReadSlice('\n')
			if errors.Is(err, bufio.ErrBufferFull) { // a line that is in no note
				line, err = nil, nil
			}
			if note := s.add(string(line)); note != "" && !yield([]byte(note), nil) {
				return
			}
			if errors.Is(err, io.EOF) {
				if note := s.add(""); note != "" {
					yield([]byte(note), nil)
				}
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("reading checkpoints: %w", err))
				return
			}
		}
	}
}

// splitter finds the end of notes.
type splitter struct {
	text   strings.Builder
	signed bool // a signature was seen
}

const signature = "— "

// add takes the next line and returns the note that ended before it, if one did.
func (s *splitter) add(line string) (note string) {
	whole := strings.HasSuffix(line, "\n")
	if s.signed && (!whole || !strings.HasPrefix(line, signature)) {
		note = s.text.String()
		*s = splitter{}
	}
	switch {
	case whole && strings.HasPrefix(line, proof.OriginPrefix):
		*s = splitter{}
	case s.text.Len() == 0, !whole, s.text.Len() > maxNote:
		*s = splitter{}
		return note
	case strings.HasPrefix(line, signature):
		s.signed = true
	}
	s.text.WriteString(line)
	return note
}
