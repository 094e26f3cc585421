package exporter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// Reasons for which an event ends up in quarantine, the values of the label
// "reason".
const (
	quarantineRefused   = "refused"   // Loki refuses it while it takes others
	quarantineTooLarge  = "too_large" // Loki takes no line, or no message, of its size
	quarantineMalformed = "malformed" // the spooled record can't be read
)

// quarantineFile is where events that Loki refuses are kept, beside the spool's
// own files. It is only appended to. Renamed to retryFile, its events are
// delivered again; deleting it is the operator's decision.
const quarantineFile = "quarantine.ndjson"

// quarantine keeps refused events. It belongs to the shipper.
type quarantine struct {
	path    string
	metrics *metrics
	keys    []*spool.Key
	log     *slog.Logger
	now     func() time.Time
	told    logLimit
}

func newQuarantine(c *config, m *metrics) *quarantine {
	return &quarantine{path: filepath.Join(c.spoolDir, quarantineFile), metrics: m, keys: c.spoolKeys, log: c.logger, now: c.now}
}

// quarantined is one line of the file: the entry as it was to be pushed, so that
// it can be pushed again.
type quarantined struct {
	QuarantinedAt time.Time `json:"quarantined_at"`
	Reason        string    `json:"reason"`
	Answer        string    `json:"answer"`
	LogID         string    `json:"log_id"`
	Sequence      uint64    `json:"sequence_number"`
	Time          int64     `json:"timestamp_ns,string"`
	Labels        string    `json:"labels,omitempty"`
	Line          string    `json:"line,omitempty"`
	Raw           []byte    `json:"raw,omitempty"` // instead, where the record can't be read
	// Sealed is all of it but the first, where the spool is encrypted; only the
	// time, the reason, the log and the number are beside it.
	Sealed []byte `json:"sealed,omitempty"`
}

// sealedAs says what is sealed.
const sealedAs = "quarantine"

// sealed returns a line with its content encrypted, if there is a key.
func (q quarantined) sealed(keys []*spool.Key) (quarantined, error) {
	if len(keys) == 0 || len(q.Sealed) > 0 {
		return q, nil
	}
	text, err := json.Marshal(q)
	if err != nil {
		return q, err
	}
	return quarantined{
		QuarantinedAt: q.QuarantinedAt, Reason: q.Reason, LogID: q.LogID, Sequence: q.Sequence, Time: q.Time,
		Sealed: keys[0].Seal(sealedAs, text),
	}, nil
}

// opened reads a line of the file.
func (q *quarantined) opened(text []byte, keys []*spool.Key) error {
	if err := json.Unmarshal(text, q); err != nil || len(q.Sealed) == 0 && len(keys) == 0 {
		return err
	}
	if len(q.Sealed) == 0 {
		return errors.New("it is not encrypted, as all in this spool's quarantine is: anybody may have written it")
	}
	plain, err := spool.OpenSealed(keys, sealedAs, q.Sealed)
	if err != nil {
		return fmt.Errorf("it is encrypted: %w", err)
	}
	*q = quarantined{}
	return json.Unmarshal(plain, q)
}

// entry describes an entry of a part.
func (s *shipper) entry(p part, i int, reason string, answer error) quarantined {
	e := p.stream.entries[i]
	return quarantined{
		QuarantinedAt: s.now().UTC(), Reason: reason, Answer: answer.Error(),
		LogID: logIDOf(p.stream.Labels()), Sequence: e.seq, Time: e.time,
		Labels: string(p.stream.Labels()), Line: string(p.stream.Line(i)),
	}
}

// malformed describes a spooled record that can't be read.
func malformed(logID string, r *spool.Record, err error) quarantined {
	return quarantined{
		Reason: quarantineMalformed, Answer: err.Error(),
		LogID: logID, Sequence: r.Seq, Time: r.Time, Raw: bytes.Clone(r.Payload),
	}
}

func logIDOf(labels []byte) string {
	_, rest, _ := strings.Cut(string(labels), logIDLabel+"=")
	quoted, _ := strconv.QuotedPrefix(rest)
	id, _ := strconv.Unquote(quoted)
	return id
}

// setAside writes an event to the quarantine file, counts it, and reports
// whether that worked.
func (s *shipper) setAside(q quarantined) bool {
	if q.QuarantinedAt.IsZero() {
		q.QuarantinedAt = s.now().UTC()
	}
	kept, err := q.sealed(s.quarantine.keys)
	var line []byte
	if err == nil {
		line, err = json.Marshal(kept)
	}
	if err == nil {
		err = s.quarantine.append(line)
	}
	if err != nil {
		s.log.Error("an event that loki refuses can't be put into quarantine; it stays in the spool and holds up those behind it",
			"sequence_number", q.Sequence, "reason", q.Reason, "answer", q.Answer, "error", err)
		return false
	}
	s.metrics.quarantined.add(q.Reason)
	s.quarantine.tell(q)
	s.trail.quarantined(q)
	return true
}

// append writes one line and syncs it: the event may be acknowledged afterwards.
func (q *quarantine) append(line []byte) error {
	f, err := openRegular(q.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY)
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
		return fmt.Errorf("writing to the quarantine file %s: %w", q.path, err)
	}
	return nil
}

func (q *quarantine) tell(e quarantined) {
	if n, ok := q.told.allow(q.now(), time.Minute); ok {
		q.log.Error("loki refuses an event; it is kept in the quarantine file, and delivered again if that is renamed to "+retryFile,
			"sequence_number", e.Sequence, "reason", e.Reason, "answer", e.Answer, "file", q.path, "not_told", n)
	}
}
