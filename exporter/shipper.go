package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/notary"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/trailevents"
	"github.com/adminsessions/adminsessions/proof"
)

// maxSpan bounds how far apart in time the entries of a batch may lie. Loki
// refuses an entry that is more than an hour (half of max_chunk_age) behind the
// newest of its stream; a push that comes again must not begin that far behind
// its own end.
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

// lokiClient is what the shipper needs of Loki; *loki.Client is one.
type lokiClient interface {
	Push(ctx context.Context, message []byte) loki.Answer
	// Now is what Loki's clock says, once it has answered.
	Now() (now time.Time, known bool)
}

// shipper takes records from the spool, oldest first, and pushes them. One
// goroutine, run, owns everything in it but what says otherwise.
//
// One batch is under way, and the next one is made meanwhile. A batch is
// acknowledged to the spool when all of it is delivered or quarantined. As soon
// as a push fails, the circuit opens: the batch is tried again after a pause that
// grows, until a push is acknowledged.
//
// Two pushes are never under way together: where they meet in Loki's write-ahead
// log in the wrong order, and that Loki is killed before it has flushed them, its
// replay takes the earlier one for a duplicate and discards it, although both
// were acknowledged (seen with Loki 3.7.8: pkg/ingester/instance.go logs a push
// after it has let go of the stream).
type shipper struct {
	log     *slog.Logger
	metrics *metrics
	spool   *spool.Log
	reader  *spool.Reader
	trail   *trailevents.Recorder
	notary  *notary.Notary // nil without a key that signs checkpoints
	loki    lokiClient
	now     func() time.Time
	step    func(string)
	times   times
	noted   *notedTimes

	batchBytes  int
	batchEvents int
	batchWait   time.Duration

	// flushes carries requests to push what is there without waiting for more.
	// Written by flush, read by run, never closed.
	flushes chan *flushRequest
	// ended is closed by run when it returns.
	ended chan struct{}
	// jobs carries a push to the sender; written and closed by run.
	jobs chan job
	// results carries the answer back; written by the sender, never closed. It
	// has room for it, so that the sender never blocks.
	results chan result

	free  []*batch
	batch *batch // under way, nil if none
	next  *batch // being filled, nil if none
	limit int    // current target of a batch's bytes, halved when too large
	fits  int    // pushes delivered since limit was changed
	// readAgain is when the spool may be read again after it could not be.
	readAgain time.Time
	acked     uint64 // everything up to this one is delivered or quarantined

	waiting    []*flushRequest
	circuit    circuit
	quarantine *quarantine
	retry      retry

	skewTold   loglimit.Limit
	retimeTold loglimit.Limit
	retryTold  loglimit.Limit
	// failure is the circuit's state for Health; nil while it is closed.
	// Written by run, read by anybody.
	failure atomic.Pointer[failure]
}

type job struct {
	part part
	body []byte
}

type result struct {
	part   part
	bytes  int
	answer loki.Answer
}

func newShipper(c *config, log *spool.Log, m *metrics, tr *trailevents.Recorder, n *notary.Notary, client lokiClient) *shipper {
	s := &shipper{
		log: c.logger, metrics: m, spool: log, reader: log.Reader(), trail: tr, notary: n, loki: client, now: c.now, step: c.step,
		times:      times{now: c.now, loki: client.Now},
		batchBytes: c.batchBytes, batchEvents: maxBatchEvents, batchWait: c.batchWait, limit: c.batchBytes,
		flushes:    make(chan *flushRequest),
		ended:      make(chan struct{}),
		jobs:       make(chan job, 1),
		results:    make(chan result, 1),
		free:       []*batch{{}, {}},
		circuit:    newCircuit(c),
		quarantine: newQuarantine(c, m),
		retry:      retry{dir: c.spoolDir, remove: c.remove},
	}
	var err error
	if s.noted, err = readNotedTimes(c.spoolDir, log.ID()); err != nil {
		c.logger.Warn("entries that were under way may come twice, with other times", "error", err)
	}
	return s
}

func (s *shipper) run(ctx context.Context) {
	var sender sync.WaitGroup
	defer func() {
		close(s.ended)
		close(s.jobs)
		sender.Wait()
		for _, f := range s.waiting {
			f.answered <- errBacklog
		}
	}()
	sender.Go(func() {
		for j := range s.jobs {
			s.results <- result{j.part, len(j.body), s.loki.Push(ctx, j.body)}
		}
	})
	for ctx.Err() == nil {
		s.acknowledge()
		s.dispatch()
		s.wait(ctx)
	}
}

// acknowledge tells the spool of the batch if it has nothing left to deliver.
func (s *shipper) acknowledge() {
	if b := s.batch; b != nil && len(b.parts) == 0 {
		if b.retry {
			s.retry.done()
		} else {
			s.notary.Prove(b.inOrder())
			s.acked = b.lastSeq
			if err := s.spool.Ack(b.lastSeq); err != nil {
				// The cursor stays behind: after a restart the batch is sent
				// again, byte-identical, and Loki shows it once.
				s.log.Error("the spool's cursor can't be written; events already delivered will be sent again after a restart",
					"sequence_number", b.lastSeq, "error", err)
			}
			s.step("acknowledged")
		}
		s.release(b)
		s.batch = nil
	}
	s.notary.Turn()
	s.answerFlushes()
}

func (s *shipper) release(b *batch) {
	b.reset()
	s.free = append(s.free, b)
}

func (s *shipper) answerFlushes() {
	if len(s.waiting) == 0 {
		return
	}
	s.fill()
	drained := s.batch == nil && (s.next == nil || s.next.empty())
	kept := s.waiting[:0]
	for _, f := range s.waiting {
		if drained && f.seal {
			s.notary.Seal()
		}
		if drained || s.acked >= f.seq {
			f.answered <- nil
		} else {
			kept = append(kept, f)
		}
	}
	s.waiting = kept
}

// dispatch starts the push that may start now, if there is one.
func (s *shipper) dispatch() {
	switch {
	case s.batch != nil && s.batch.inFlight:
	case s.circuit.open && s.now().Before(s.circuit.retryAt):
	case s.batch != nil:
		s.widen()
		s.start()
	default:
		s.fill()
		if s.ready() {
			s.batch, s.next = s.next, nil
			s.batch.seal()
			s.start()
		} else if s.retryDue() {
			s.startRetry()
		}
	}
}

// start pushes the first part of the batch.
func (s *shipper) start() {
	b := s.batch
	for b.parts[0].len() > 1 && b.parts[0].size() > s.limit {
		b.halve() // made before it was known how much Loki takes
	}
	if b.moved && !b.retry {
		if err := s.noted.save(b); err != nil {
			s.log.Warn("the times of entries under way can't be noted; if the process is killed now they may come twice", "error", err)
		}
		b.moved = false
	}
	b.inFlight = true
	s.jobs <- job{part: b.parts[0], body: b.parts[0].message()}
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
	s.times.look()
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
		if err := s.next.add(&rec, s.timeFor(&rec)); err != nil {
			if !s.setAside(malformed(s.spool.ID(), &rec, err)) {
				s.readAgain = s.now().Add(readRetryInterval)
				return
			}
			s.notary.Absent(rec.Seq, rec.Seq, proof.Quarantined)
		}
		_, _, _ = s.reader.TryNext() // takes what Peek has shown
	}
}

// timeFor is the time of a record's entry.
func (s *shipper) timeFor(r *spool.Record) int64 {
	if t, ok := s.noted.Times[r.Seq]; ok {
		s.times.last = t
		return t
	}
	t := s.times.next(r.Time)
	if t != r.Time {
		s.metrics.retimed.Add(1)
	}
	return t
}

func (s *shipper) full() bool {
	b := s.next
	return b.closed || b.count >= s.batchEvents || b.largest >= s.limit || len(b.streams) >= maxBatchStreams
}

// ready reports whether the next batch is to be sent now.
func (s *shipper) ready() bool {
	b := s.next
	return b != nil && !b.empty() && (s.full() || len(s.waiting) > 0 || s.now().Sub(b.since) >= s.batchWait)
}

// prepare makes the next batch while the push under way is, so that it can
// follow the answer at once.
func (s *shipper) prepare() {
	if s.notary != nil && s.batch != nil && s.batch.inFlight && !s.batch.retry {
		s.batch.hash()
	}
	if s.circuit.open || s.batch == nil {
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
	pause, record := s.pause()
	var timer <-chan time.Time
	if pause > 0 {
		timer = time.After(pause)
	} else if pause == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-record:
	case <-timer:
	case f := <-s.flushes:
		s.waiting = append(s.waiting, f)
		// Somebody wants to know now.
		if now := s.now(); f.lastTry || s.circuit.asked.Before(now) {
			s.circuit.retryAt = now
		}
	case r := <-s.results:
		s.answered(r)
	case <-s.notary.Changed(): // its turn comes
	}
}

// pause is how long there is nothing to do unless something comes: an answer, a
// flush, or a record where there is a channel for that. It is negative if there is
// no such time.
func (s *shipper) pause() (time.Duration, <-chan struct{}) {
	switch {
	case s.batch != nil && s.batch.inFlight:
		return -1, nil
	case s.circuit.open && s.now().Before(s.circuit.retryAt):
		return s.circuit.retryAt.Sub(s.now()), nil
	case s.batch != nil: // what is left of it is started at once
		return 0, nil
	case s.now().Before(s.readAgain):
		return s.readAgain.Sub(s.now()), nil
	case s.next == nil || s.next.empty():
		return s.retry.interval(), s.reader.Available()
	}
	return max(1, s.batchWait-s.now().Sub(s.next.since)), nil
}
