package exporter

import (
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// answered deals with the answer to one push.
func (s *shipper) answered(r result) {
	b := s.batch
	b.inFlight = false
	s.metrics.push.observe(r.answer.Took)
	s.watchClock()
	if r.answer.Verdict == loki.Acknowledged {
		s.delivered(b, r)
		return
	}
	s.metrics.failures.add(r.answer.Status)
	switch r.answer.Verdict {
	case loki.TooLarge:
		s.limit, s.fits = max(s.limit/2, s.batchBytes/64), 0
		s.refused(b, r.part, quarantineTooLarge, r.answer)
	case loki.Untimely:
		s.retime(b, r.part, r.answer)
	case loki.Oversized:
		s.oversized(b, r.part, r.answer)
	case loki.Refused:
		s.refused(b, r.part, quarantineRefused, r.answer)
	case loki.Throttled:
		// A push larger than the burst can never pass: try smaller ones.
		if s.circuit.open && r.part.len() > 16 {
			b.halve()
		}
		s.failed(b, r.answer)
	default:
		s.failed(b, r.answer)
	}
}

// delivered notes that Loki has taken the first part.
func (s *shipper) delivered(b *batch, r result) {
	s.closeCircuit()
	p := r.part
	b.retimed, b.row = 0, 0
	b.parts = b.parts[1:]
	p.stream.taken++
	p.stream.sample = p.to
	if p.control {
		return
	}
	if b.retry {
		s.metrics.retried.addN(retriedDelivered, p.len())
		s.retry.delivered += p.len()
		s.tookLate(p)
	} else {
		s.metrics.delivered.Add(uint64(p.len()))
		s.metrics.delay.observe(max(0, s.now().Sub(time.Unix(0, p.first().spooled))))
	}
	s.metrics.pushes.Add(1)
	s.metrics.bytes.Add(uint64(r.bytes))
	s.metrics.lastSuccess.Store(s.now().UnixNano())
	if s.fits++; s.fits >= growAfter && s.limit < s.batchBytes {
		s.limit, s.fits = min(s.batchBytes, 2*s.limit), 0
	}
}

// failed notes that Loki does not take the batch now, whatever is in it.
func (s *shipper) failed(b *batch, a loki.Answer) {
	if b.retry {
		s.abandonRetry(b)
	}
	s.openCircuit(a)
}
