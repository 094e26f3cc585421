package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafana/loki-client-go/pkg/backoff"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// flappingInterval is how often a failure that comes and goes, such as a rate
// limit, is logged.
const flappingInterval = time.Minute

// lokiAwayAfter is how long Loki must have been away for the trail to say so.
const lokiAwayAfter = time.Minute

// circuit is open from a failed push until one is acknowledged.
type circuit struct {
	open     bool
	retryAt  time.Time
	asked    time.Time // until when Loki has asked not to be
	since    time.Time
	reminded time.Time // when it was last logged that it is open
	told     bool      // that it is open now has been logged
	recorded bool      // and has been recorded in the trail
	backoff  *backoff.Backoff
}

func newCircuit(c *config) circuit {
	return circuit{backoff: backoff.New(context.Background(), backoff.BackoffConfig{MinBackoff: c.minBackoff, MaxBackoff: c.maxBackoff})}
}

// openCircuit notes a push that failed, and gives up on flushes that want no
// second attempt.
func (s *shipper) openCircuit(a loki.Answer) {
	c := &s.circuit
	now := s.now()
	c.asked = now.Add(a.RetryAfter)
	c.retryAt = now.Add(max(c.backoff.NextDelay(), a.RetryAfter))
	s.metrics.up.Store(false)
	pause := loglimit.Reminder
	if !c.open {
		c.since = now
		pause = flappingInterval
	}
	if now.Sub(c.reminded) >= pause {
		c.reminded, c.told = now, true
		s.tell(a)
	}
	c.open = true
	if !c.recorded && now.Sub(c.since) >= lokiAwayAfter {
		c.recorded = true
		s.trail.LokiAway(c.since, a.Err, s.spool.Backlog())
	}
	s.failure.Store(&failure{a.Err, c.since})

	kept := s.waiting[:0]
	for _, f := range s.waiting {
		if f.lastTry {
			f.answered <- fmt.Errorf("%w: %w", errBacklog, a.Err)
		} else {
			kept = append(kept, f)
		}
	}
	s.waiting = kept
}

// tell logs that Loki does not take events, and what that means for them.
func (s *shipper) tell(a loki.Answer) {
	level, advice := slog.LevelWarn, "events are kept in the spool and sent when loki is back"
	if a.Verdict == loki.Hold {
		level, advice = slog.LevelError, "check loki's address, tenant, credentials and limits, and what stands between; events are kept in the spool until they are right"
	}
	if err := s.spool.Health(); err != nil {
		level, advice = slog.LevelError, "events can't be kept as they should: "+err.Error()
	}
	s.log.Log(context.Background(), level, "loki does not take events",
		"error", a.Err, "since", s.circuit.since, "backlog_events", s.spool.Backlog(), "advice", advice)
}

// closeCircuit notes that Loki has taken a push.
func (s *shipper) closeCircuit() {
	c := &s.circuit
	if !c.open {
		return
	}
	if c.told {
		s.log.Info("loki takes events again", "away_for", s.now().Sub(c.since).Round(time.Second), "backlog_events", s.spool.Backlog())
	}
	if c.recorded {
		s.trail.LokiBack(c.since, s.spool.Backlog())
	}
	c.open, c.told, c.recorded = false, false, false
	s.failure.Store(nil)
	c.backoff.Reset()
	s.metrics.up.Store(true)
}
