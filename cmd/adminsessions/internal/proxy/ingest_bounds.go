package proxy

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// What is handed in may be small and become large when it is read: an empty
// record is two bytes in protobuf, and hundreds of them in memory. So it is
// counted before it is read.
const (
	maxParts    = 40 * maxIngestEvents // records and their fields
	maxNesting  = 64
	maxDecoding = 4 // requests at once
)

// boundedProto counts the parts of an ExportLogsServiceRequest: its resources,
// their scopes, their records, and the fields of these.
func boundedProto(body []byte) error {
	parts := 0
	var count func(b []byte, path []protowire.Number) error
	count = func(b []byte, path []protowire.Number) error {
		for len(b) > 0 {
			num, _, n := protowire.ConsumeField(b)
			if n < 0 {
				return nil // the parser says what is wrong
			}
			if parts++; parts > maxParts {
				return fmt.Errorf("more than %d records and fields at once: send fewer", maxParts)
			}
			if len(path) > 0 && num == path[0] {
				_, _, tag := protowire.ConsumeTag(b)
				if value, m := protowire.ConsumeBytes(b[tag:]); m > 0 {
					if err := count(value, path[1:]); err != nil {
						return err
					}
				}
			}
			b = b[n:]
		}
		return nil
	}
	return count(body, []protowire.Number{1, 2, 2})
}

// boundedJSON counts the objects and lists, and how deep they are in each other.
func boundedJSON(body []byte) error {
	parts, depth, inText := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{', c == '[':
			if parts, depth = parts+1, depth+1; parts > maxParts || depth > maxNesting {
				return fmt.Errorf("more than %d objects and lists, or more than %d in each other: send fewer", maxParts, maxNesting)
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return nil
}
