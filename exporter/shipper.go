package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// maxSpan bounds how far apart in time the entries of all pushes under way may
// lie. Loki refuses an entry that is more than an hour (half of
// max_chunk_age) behind the newest of its stream; a push that overtook
// another must never put it out of reach.
const maxSpan = 30 * time.Minute

// growAfter is how many pushes must fit before larger ones are tried again. The
// limit they met is a setting of Loki's, which seldom changes.
const growAfter = 1000

// readRetryInterval is the pause after a spool that could not be read.
const readRetryInterval = time.Second

// errBacklog answers a flush that gave up; what is left stays in the spool.
var errBacklog = errors.New("loki does not take it now, what is left stays in the spool")

// errEnded answers a flush after Shutdown.
var errEnded = errors.New("the exporter has been shut down")

// shipper takes records from the spool, oldest first, and pushes them. One
// goroutine, run, owns everything in it but flushes and failure.
//
// A window of at most maxInFlight batches is under way, and the next one is made
// meanwhile. The first one is
// acknowledged to the spool when all of it is delivered or quarantined, so
// never past a hole. As soon as a push fails, the circuit opens: only the
// oldest batch is tried, after a pause that grows, until a push is
// acknowledged.
type shipper struct {
	log        *slog.Logger
	metrics    *metrics
	spool      *spool.Log
	reader     *spool.Reader
	push       func(context.Context, []byte) answer
	quarantine *quarantine
	now        func() time.Time

	batchBytes  int
	batchEvents int
	batchWait   time.Duration
	maxInFlight int

	// flushes carries requests to push what is there without waiting for more.
	// Written by flush, read by run, never closed.
	flushes chan *flushRequest
	// ended is closed by run when it returns.
	ended chan struct{}
	// jobs carries pushes to the senders; written and closed by run.
	jobs chan job
	// results carries answers back; written by the senders, never closed. It
	// has room for every push under way, so that a sender never blocks.
	results chan result

	free   []*batch
	window []*batch // oldest first
	next   *batch   // being filled, nil if none
	limit  int      // current target of a batch's bytes, halved when too large
	fits   int      // pushes delivered since limit was changed
	// readAgain is when the spool may be read again after it could not be.
	readAgain time.Time
	acked     uint64 // everything up to this one is delivered or quarantined

	waiting []*flushRequest
	circuit circuit
	// failure is the circuit's state for Health; nil while it is closed.
	// Written by run, read by anybody.
	failure atomic.Pointer[failure]
}

type job struct {
	batch *batch
	part  part
	body  []byte
}

type result struct {
	batch  *batch
	part   part
	bytes  int
	answer answer
}

type flushRequest struct {
	seq      uint64 // everything up to this one
	lastTry  bool   // give up at the first failure
	answered chan error
}

func (s *shipper) run(ctx context.Context) {
	var senders sync.WaitGroup
	defer func() {
		close(s.ended)
		close(s.jobs)
		senders.Wait()
		for _, f := range s.waiting {
			f.answered <- errBacklog
		}
	}()
	for range s.maxInFlight {
		senders.Go(func() {
			for j := range s.jobs {
				s.results <- result{j.batch, j.part, len(j.body), s.push(ctx, j.body)}
			}
		})
	}
	for ctx.Err() == nil {
		s.acknowledge()
		s.dispatch()
		s.wait(ctx)
	}
}

// acknowledge tells the spool of the batches at the head of the window that
// have nothing left to deliver.
func (s *shipper) acknowledge() {
	for len(s.window) > 0 && len(s.window[0].parts) == 0 && !s.window[0].inFlight {
		b := s.window[0]
		s.acked = b.lastSeq
		if err := s.spool.Ack(b.lastSeq); err != nil {
			// The cursor stays behind: after a restart the batch is sent again,
			// byte-identical, and Loki shows it once.
			s.log.Error("the spool's cursor can't be written; events already delivered will be sent again after a restart",
				"sequence_number", b.lastSeq, "error", err)
		}
		s.window = append(s.window[:0], s.window[1:]...)
		b.reset()
		s.free = append(s.free, b)
	}
	s.answerFlushes()
}

func (s *shipper) answerFlushes() {
	if len(s.waiting) == 0 {
		return
	}
	s.fill()
	drained := len(s.window) == 0 && (s.next == nil || s.next.empty())
	kept := s.waiting[:0]
	for _, f := range s.waiting {
		if drained || s.acked >= f.seq {
			f.answered <- nil
		} else {
			kept = append(kept, f)
		}
	}
	s.waiting = kept
}

// dispatch starts every push that may start now.
func (s *shipper) dispatch() {
	if s.circuit.open {
		if len(s.window) > 0 && !s.now().Before(s.circuit.retryAt) {
			s.start(s.window[0])
		}
		return
	}
	for _, b := range s.window {
		s.start(b)
	}
	for len(s.window) < s.maxInFlight {
		s.fill()
		if !s.ready() {
			return
		}
		b := s.next
		s.next = nil
		b.seal()
		s.window = append(s.window, b)
		s.start(b)
	}
}

// start pushes the first part of a batch, unless one of it is under way.
func (s *shipper) start(b *batch) {
	if b.inFlight || len(b.parts) == 0 {
		return
	}
	for b.parts[0].len() > 1 && b.parts[0].size() > s.limit {
		b.halve() // made before it was known how much Loki takes
	}
	b.inFlight = true
	s.jobs <- job{batch: b, part: b.parts[0], body: b.parts[0].message()}
}

// fill moves records from the spool into the next batch until that is full or
// the spool has no more.
func (s *shipper) fill() {
	if s.now().Before(s.readAgain) {
		return
	}
	if s.next == nil {
		if len(s.free) == 0 {
			return
		}
		s.next = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	}
	for !s.full() {
		rec, ok, err := s.reader.Peek()
		if err != nil {
			s.readAgain = s.now().Add(readRetryInterval)
			s.log.Error("the spool can't be read; nothing behind this point is delivered until it can", "error", err)
			return
		}
		if !ok {
			return
		}
		if !s.next.empty() && (s.next.sizeWith(len(rec.Payload)) > s.limit || rec.Time-s.next.firstTime > int64(maxSpan)) {
			s.next.closed = true
			return
		}
		if s.next.empty() {
			s.next.since = s.now()
		}
		if err := s.next.add(&rec); err != nil {
			if !s.setAside(quarantined{
				QuarantinedAt: s.now().UTC(), Reason: quarantineMalformed, Answer: err.Error(),
				Sequence: rec.Seq, Time: rec.Time, Raw: rec.Payload,
			}) {
				s.readAgain = s.now().Add(readRetryInterval)
				return
			}
		}
		_, _, _ = s.reader.TryNext() // takes what Peek has shown
	}
}

func (s *shipper) full() bool {
	b := s.next
	return b.closed || b.count >= s.batchEvents || b.largest >= s.limit || len(b.streams) >= maxBatchStreams
}

// ready reports whether the next batch is to be sent now.
func (s *shipper) ready() bool {
	b := s.next
	if b == nil || b.empty() {
		return false
	}
	if len(s.window) > 0 && b.lastTime-s.window[0].firstTime > int64(maxSpan) {
		return false
	}
	return s.full() || len(s.waiting) > 0 || s.now().Sub(b.since) >= s.batchWait
}

// prepare makes the next batch while the pushes under way are, so that it can
// follow the first answer at once.
func (s *shipper) prepare() {
	if s.circuit.open || len(s.window) < s.maxInFlight {
		return
	}
	s.fill()
	if s.next != nil && s.full() {
		s.next.pack()
	}
}

// wait blocks until there is something to do.
func (s *shipper) wait(ctx context.Context) {
	s.prepare()
	var timer <-chan time.Time
	var record <-chan struct{}
	room := !s.circuit.open && len(s.window) < s.maxInFlight
	switch {
	case s.circuit.open && len(s.window) > 0 && !s.window[0].inFlight:
		timer = time.After(s.circuit.retryAt.Sub(s.now()))
	case room && s.now().Before(s.readAgain):
		timer = time.After(s.readAgain.Sub(s.now()))
	case room && (s.next == nil || s.next.empty()):
		record = s.reader.Available()
	case room && s.now().Sub(s.next.since) < s.batchWait:
		timer = time.After(s.batchWait - s.now().Sub(s.next.since))
	}
	// Where there is no timer, an answer or a record is what comes next.
	select {
	case <-ctx.Done():
	case <-record:
	case <-timer:
	case f := <-s.flushes:
		s.waiting = append(s.waiting, f)
		if f.lastTry {
			s.circuit.retryAt = s.now()
		}
	case r := <-s.results:
		s.settle(r)
	}
}

// settle deals with the answer to one push.
func (s *shipper) settle(r result) {
	b := r.batch
	b.inFlight = false
	s.metrics.push.Observe(r.answer.duration.Seconds())
	if r.answer.verdict == delivered {
		s.closeCircuit()
		b.parts = b.parts[1:]
		s.metrics.batches.Inc()
		s.metrics.bytes.Add(float64(r.bytes))
		now := s.now()
		if !r.part.stream.ofLines {
			s.metrics.delivered.Add(float64(r.part.len()))
			s.metrics.delay.Observe(max(0, now.Sub(time.Unix(0, r.part.first().time)).Seconds()))
		}
		s.metrics.lastSuccess.Set(float64(now.UnixMilli()) / 1000)
		if s.fits++; s.fits >= growAfter && s.limit < s.batchBytes {
			s.limit, s.fits = min(s.batchBytes, 2*s.limit), 0
		}
		return
	}
	s.metrics.retries.WithLabelValues(r.answer.status).Inc()
	switch r.answer.verdict {
	case tooLarge:
		s.closeCircuit() // it answers
		s.limit, s.fits = max(s.limit/2, s.batchBytes/64), 0
		s.split(b, r.part, quarantineTooLarge, r.answer.err)
	case refused:
		s.closeCircuit()
		s.split(b, r.part, quarantineRefused, r.answer.err)
	case throttled:
		// A push larger than the burst can never pass: try smaller ones.
		if s.circuit.open && r.part.len() > 16 {
			b.halve()
		}
		s.openCircuit(r.answer)
	default:
		s.openCircuit(r.answer)
	}
}

// split halves the part that Loki refused, down to the one entry that is to
// blame, which goes into quarantine.
func (s *shipper) split(b *batch, p part, reason string, err error) {
	if p.len() > 1 {
		s.metrics.splits.Inc()
		b.halve()
		return
	}
	if p.stream.ofLines {
		s.metrics.linesRefused.Inc()
		s.log.Error("loki refuses the line of an event; a search over lines will not find it",
			"sequence_number", p.first().seq, "answer", err)
		b.parts = b.parts[1:]
		return
	}
	if s.setAside(p.quarantined(reason, err, s.now())) {
		b.parts = b.parts[1:]
		return
	}
	// It can't even be written down: hold it, as if Loki were away.
	s.openCircuit(answer{verdict: again, err: err})
}

// setAside writes an event to the quarantine file, counts it, and reports
// whether that worked.
func (s *shipper) setAside(q quarantined) bool {
	if err := s.quarantine.add(q); err != nil {
		s.log.Error("an event that loki refuses can't be put into quarantine; it stays in the spool and holds up those behind it",
			"sequence_number", q.Sequence, "reason", q.Reason, "answer", q.Answer, "error", err)
		return false
	}
	s.metrics.quarantined.WithLabelValues(q.Reason).Inc()
	s.log.Error("loki refuses an event; it is kept in the quarantine file",
		"sequence_number", q.Sequence, "reason", q.Reason, "answer", q.Answer, "file", s.quarantine.path)
	return true
}

// flush returns when everything up to seq is delivered or quarantined, or ctx
// is done, or, with lastTry, when a push fails.
func (s *shipper) flush(ctx context.Context, seq uint64, lastTry bool) error {
	f := &flushRequest{seq: seq, lastTry: lastTry, answered: make(chan error, 1)}
	select {
	case s.flushes <- f:
	case <-s.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-f.answered:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
