package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafana/loki-client-go/pkg/backoff"
)

// reminderInterval is how often a lasting failure is logged again.
const reminderInterval = 5 * time.Minute

// flappingInterval is how often a failure that comes and goes, such as a rate
// limit, is logged.
const flappingInterval = time.Minute

// circuit is open from a failed push until one is acknowledged.
type circuit struct {
	open     bool
	retryAt  time.Time
	since    time.Time
	reminded time.Time // when it was last logged that it is open
	told     bool      // that it is open now has been logged
	backoff  *backoff.Backoff
}

// openCircuit notes a push that failed, and gives up on flushes that want no
// second attempt.
func (s *shipper) openCircuit(a answer) {
	c := &s.circuit
	now := s.now()
	delay := max(c.backoff.NextDelay(), a.retryAfter)
	c.retryAt = now.Add(delay)
	s.metrics.up.Set(0)
	pause := reminderInterval
	if !c.open {
		c.since = now
		pause = flappingInterval
	}
	if now.Sub(c.reminded) >= pause {
		c.reminded, c.told = now, true
		level, advice := slog.LevelWarn, "events are kept in the spool and sent when loki is back"
		if a.verdict == hold {
			level, advice = slog.LevelError, "check the exporter's address, tenant and credentials; events are kept in the spool until they are right"
		}
		s.log.Log(context.Background(), level, "loki does not take events",
			"error", a.err, "since", c.since, "backlog_events", s.spool.Backlog(), "advice", advice)
	}
	c.open = true
	s.failure.Store(&failure{a.err, c.since})

	kept := s.waiting[:0]
	for _, f := range s.waiting {
		if f.lastTry {
			f.answered <- fmt.Errorf("%w: %w", errBacklog, a.err)
		} else {
			kept = append(kept, f)
		}
	}
	s.waiting = kept
}

// closeCircuit notes that Loki answers.
func (s *shipper) closeCircuit() {
	c := &s.circuit
	if !c.open {
		return
	}
	if c.told {
		s.log.Info("loki takes events again", "away_for", s.now().Sub(c.since).Round(time.Second), "backlog_events", s.spool.Backlog())
	}
	c.open, c.told = false, false
	s.failure.Store(nil)
	c.backoff.Reset()
	s.metrics.up.Set(1)
}
