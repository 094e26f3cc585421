package exporter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// Reasons for which an event ends up in quarantine, the values of the label
// "reason".
const (
	quarantineRefused   = "refused"   // Loki refuses it while it takes others
	quarantineTooLarge  = "too_large" // Loki takes no line, or no message, of its size
	quarantineMalformed = "malformed" // the spooled record can't be read
)

// quarantine keeps refused events. It belongs to the shipper.
type quarantine struct {
	path    string
	metrics *metrics
	keys    []*spool.Key
	log     *slog.Logger
	now     func() time.Time
	told    loglimit.Limit
}

func newQuarantine(c *config, m *metrics) *quarantine {
	return &quarantine{path: filepath.Join(c.spoolDir, spooled.QuarantineFile), metrics: m, keys: c.spoolKeys, log: c.logger, now: c.now}
}

// entry describes an entry of a part.
func (s *shipper) entry(p part, i int, reason string, answer error) spooled.Refused {
	e := p.stream.entries[i]
	return spooled.Refused{
		QuarantinedAt: s.now().UTC(), Reason: reason, Answer: answer.Error(),
		LogID: spooled.LogID(p.stream.Labels()), Sequence: e.seq, Time: e.time,
		Labels: string(p.stream.Labels()), Line: string(p.stream.Line(i)),
	}
}

// malformed describes a spooled record that can't be read.
func malformed(logID string, r *spool.Record, err error) spooled.Refused {
	return spooled.Refused{
		Reason: quarantineMalformed, Answer: err.Error(),
		LogID: logID, Sequence: r.Seq, Time: r.Time, Raw: bytes.Clone(r.Payload),
	}
}

// setAside writes an event to the quarantine file, counts it, and reports
// whether that worked.
func (s *shipper) setAside(q spooled.Refused) bool {
	if q.QuarantinedAt.IsZero() {
		q.QuarantinedAt = s.now().UTC()
	}
	kept, err := q.Seal(s.quarantine.keys)
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
	s.trail.Quarantined(q)
	return true
}

// append writes one line and syncs it: the event may be acknowledged afterwards.
func (q *quarantine) append(line []byte) error {
	f, err := spool.OpenPlain(q.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY)
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

func (q *quarantine) tell(e spooled.Refused) {
	if n, ok := q.told.Allow(q.now(), time.Minute); ok {
		const told = "loki refuses an event; it is kept in the quarantine file, and delivered again if that is renamed to " + spooled.RetryFile
		q.log.Error(told, "sequence_number", e.Sequence, "reason", e.Reason, "answer", e.Answer, "file", q.path, "not_told", n)
	}
}
