package exporter

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// quarantineFile is where events that Loki refuses are kept, beside the
// spool's own files. It is only appended to; deleting it is the operator's
// decision.
const quarantineFile = "quarantine.ndjson"

// quarantine keeps refused events. It belongs to the shipper.
type quarantine struct {
	path string
}

func newQuarantine(dir string) *quarantine {
	return &quarantine{path: filepath.Join(dir, quarantineFile)}
}

// quarantined is one line of the file. Nothing of the event is left out, so
// that it can be pushed again by hand.
type quarantined struct {
	QuarantinedAt time.Time         `json:"quarantined_at"`
	Reason        string            `json:"reason"`
	Answer        string            `json:"answer"`
	Sequence      uint64            `json:"sequence_number"`
	Time          int64             `json:"timestamp_ns,string"`
	Labels        string            `json:"labels"`
	Line          string            `json:"line"`
	Metadata      map[string]string `json:"structured_metadata,omitempty"`
	Raw           []byte            `json:"raw,omitempty"` // where it can't be read
}

// add writes one event and syncs it: it may be acknowledged afterwards.
func (q *quarantine) add(e quarantined) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding event %d for quarantine: %w", e.Sequence, err)
	}
	f, err := os.OpenFile(q.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the quarantine file: %w", err)
	}
	if _, err = f.Write(append(line, '\n')); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing event %d to the quarantine file %s: %w", e.Sequence, q.path, err)
	}
	return nil
}

// quarantined describes the part's first entry.
func (p part) quarantined(reason string, answer error, now time.Time) quarantined {
	q := quarantined{
		QuarantinedAt: now.UTC(), Reason: reason,
		Sequence: p.first().seq, Time: p.first().time, Labels: string(p.stream.labels),
	}
	if answer != nil {
		q.Answer = answer.Error()
	}
	entry, _, ok := nextField(p.firstRaw())
	if !ok || !q.decode(entry.value) {
		q.Raw = p.firstRaw()
	}
	return q
}

func (q *quarantined) decode(entry []byte) bool {
	q.Metadata = make(map[string]string)
	for len(entry) > 0 {
		f, rest, ok := nextField(entry)
		if !ok {
			return false
		}
		entry = rest
		switch f.tag {
		case tagEntryLine:
			q.Line = string(f.value)
		case tagEntryMetadata:
			name, rest, ok1 := nextField(f.value)
			value, _, ok2 := nextField(rest)
			if !ok1 || !ok2 {
				return false
			}
			q.Metadata[string(name.value)] = string(value.value)
		}
	}
	return true
}

type field struct {
	tag   uint64
	value []byte
}

// nextField reads one length-delimited protobuf field.
func nextField(b []byte) (f field, rest []byte, ok bool) {
	tag, w := binary.Uvarint(b)
	if w <= 0 {
		return field{}, nil, false
	}
	n, w2 := binary.Uvarint(b[w:])
	if w2 <= 0 || n > uint64(len(b)-w-w2) {
		return field{}, nil, false
	}
	b = b[w+w2:]
	return field{tag, b[:n]}, b[n:], true
}
