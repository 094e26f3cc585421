package verify

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/proof"
)

// Config says what is to be verified. Keys is required.
type Config struct {
	// Loki is where the trail is read, as for the page; what is zero is read from
	// the environment.
	Loki adminsessions.Loki
	// Services and Environments are values of the labels service_name and
	// deployment_environment_name. None means all.
	Services, Environments []string
	// Logs are ids of logs, values of the label audit_log_id. None means all.
	Logs []string

	// Keys are the public keys that the checkpoints may be signed with, as
	// adminsessions and the tools for signed notes write them: name+hash+key.
	Keys []string
	// Anchors give back the checkpoints that are kept where the panel's machine
	// can't rewrite them.
	Anchors []proof.Archive
	// Start are checkpoints, signed, that earlier verifications have proved
	// (Report.Logs, Checkpoint). Their logs are verified from there on.
	Start []string

	// Accepted are findings that somebody has looked into and answers for, with why:
	// those that reports call by the same name (Span.Finding). They stay in the
	// report, and are the verdict Accepted instead of No. A finding has another name
	// as soon as anything about it changes.
	Accepted map[string]string
	// FromFirstCheckpoint judges a log that was there before it was signed from its
	// first checkpoint on. The verdicts say nothing of what was before, which the
	// report lists as not judged; by default they are Unknown because of it.
	FromFirstCheckpoint bool

	// From and To are the times of the events to verify. The verification goes on
	// to the next checkpoints on both sides. From zero means from the first event
	// of each log on, which must still be there: if Loki deletes events after some
	// time, From should not be longer ago. To zero means now.
	From, To time.Time

	// Progress, unless nil, is called now and then.
	Progress func(Progress)
	// Now is the clock, for tests. nil means time.Now.
	Now func() time.Time
}

// Progress is how far a verification is.
type Progress struct {
	Log     string    // that is being read
	Logs    int       // how many there are
	Done    int       // how many of them are read
	Entries uint64    // read of all
	At      time.Time // up to which the log is read
}

// keys makes verifiers of the configured keys.
func (c *Config) keys() (note.Verifiers, error) {
	if len(c.Keys) == 0 {
		return nil, errors.New("field Keys: missing; want the public keys that checkpoints are signed with")
	}
	var list []note.Verifier
	for i, k := range c.Keys {
		v, err := note.NewVerifier(strings.TrimSpace(k))
		if err != nil {
			return nil, fmt.Errorf("field Keys: number %d is no public key (name+hash+key): %w", i+1, err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}
