package spooled

import (
	"encoding/json"
	"time"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// The files beside the spool's own that keep events which Loki refuses, one JSON
// object a line, each a [Refused].
const (
	// QuarantineFile is only appended to by the exporter.
	QuarantineFile = "quarantine.ndjson"
	// RetryFile is the former renamed by an operator: what is in it is delivered
	// again.
	RetryFile = "quarantine.retry.ndjson"
)

// MaxRefused is more bytes than a line of these files takes.
const MaxRefused = 4 << 20

// Refused is an event in quarantine: the entry as it was to be pushed, so that it
// can be pushed again, and why it was refused.
type Refused struct {
	QuarantinedAt time.Time `json:"quarantined_at"`
	Reason        string    `json:"reason"`
	Answer        string    `json:"answer"`
	LogID         string    `json:"log_id"`
	Sequence      uint64    `json:"sequence_number"`
	Time          int64     `json:"timestamp_ns,string"`
	Labels        string    `json:"labels,omitempty"`
	Line          string    `json:"line,omitempty"`
	Raw           []byte    `json:"raw,omitempty"` // instead, where the record can't be read
	// Sealed is all of it, encrypted, where the spool is; beside it are only the
	// times, the reason, the log and the number.
	Sealed []byte `json:"sealed,omitempty"`
}

// sealedAs says what is sealed.
const sealedAs = "quarantine"

// Seal returns r with its content encrypted with the first of the keys; r itself if
// there is none.
func (r Refused) Seal(keys []*spool.Key) (Refused, error) {
	if len(keys) == 0 || len(r.Sealed) > 0 {
		return r, nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	return Refused{
		QuarantinedAt: r.QuarantinedAt, Reason: r.Reason, LogID: r.LogID, Sequence: r.Sequence, Time: r.Time,
		Sealed: keys[0].Seal(sealedAs, text),
	}, nil
}

// Open decrypts what is encrypted. If it fails r is as it was.
func (r *Refused) Open(keys []*spool.Key) error {
	if len(r.Sealed) == 0 {
		return nil
	}
	plain, err := spool.OpenSealed(keys, sealedAs, r.Sealed)
	if err != nil {
		return err
	}
	var opened Refused
	if err := json.Unmarshal(plain, &opened); err != nil {
		return err
	}
	*r = opened
	return nil
}
