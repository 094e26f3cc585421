package exporter

import (
	"context"
	"log/slog"
	"time"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/loki"
)

const (
	// maxRetimings is how often in a row other times are tried at once.
	maxRetimings = 4
	// skewTolerance is the difference of clocks from which on it is logged, and
	// skewInterval how often.
	skewTolerance = time.Minute
	skewInterval  = time.Hour
)

// retime gives entries other times, where Loki has refused theirs.
func (s *shipper) retime(b *batch, p part, a loki.Answer) {
	at := s.times.correct(p, a.Faults, b.retimed)
	if n, ok := s.retimeTold.Allow(s.now(), loglimit.Reminder); ok {
		s.log.Warn("loki refuses the times of events; they get times that it takes, their own stay in them as at=; check this machine's clock and loki's limits",
			"events", len(at), "answer", a.Err, "clock_ahead", -s.skew(), "not_told", n)
	}
	b.setTimes(p.stream, at)
	s.metrics.retimed.Add(uint64(len(at)))
	if b.retimed++; len(at) == 0 || b.retimed > maxRetimings {
		s.failed(b, holding(a))
	}
}

// skew is how far Loki's clock is ahead of this machine's.
func (s *shipper) skew() time.Duration {
	now, known := s.loki.Now()
	if !known {
		return 0
	}
	return now.Sub(s.now().Round(0)).Round(time.Second)
}

// watchClock notes how far this machine's clock and Loki's differ.
func (s *shipper) watchClock() {
	skew := s.skew()
	s.metrics.skew.Store(int64(-skew))
	if skew.Abs() < skewTolerance {
		s.skewTold = loglimit.Limit{}
		return
	}
	if _, ok := s.skewTold.Allow(s.now(), skewInterval); ok {
		s.log.Log(context.Background(), slog.LevelWarn, "this machine's clock and loki's differ; views of the newest events may lack some, or show them late",
			"clock_ahead", -skew)
		s.trail.ClockSkew(-skew)
	}
}
