package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/s2"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

var testEvent = adminsessions.Event{
	Time:          time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC),
	RequestID:     "0af7651916cd43dd",
	Type:          adminsessions.API,
	User:          adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"},
	ClientAddress: netip.MustParseAddr("10.2.3.4"),
	Method:        "GET",
	URL:           "https://panel.example/admin/clients?page=2",
	Route:         "/admin/clients",
	StatusCode:    200,
	Duration:      12 * time.Millisecond,
	UserAgent:     "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
}

// fakeLoki answers pushes in place of Loki, so that a test can decide what it
// answers. It keeps what it takes as Loki's log view would: an entry that comes
// again with the same bytes is the same entry.
//
// The trail's own events are kept apart, and the others are shown to the tests
// with the numbers that they would have without them.
type fakeLoki struct {
	t testing.TB
	// answer decides about a push; nil takes it.
	answer func(p received) loki.Answer
	// clock is Loki's, if set.
	clock func() time.Time
	// unreadable says that queries fail.
	unreadable atomic.Bool
	// history answers queries instead, if set.
	history *fakeLoki

	mu     sync.Mutex
	pushes []received
	order  []uint64                         // sequence numbers as they arrived, each once
	stored map[string]map[uint64]push.Entry // by labels and sequence number
	raw    map[string]map[uint64]push.Entry // as they came, the trail's own, too
}

type received struct {
	at      time.Time
	size    int // uncompressed
	labels  string
	entries []push.Entry
	seqs    []uint64
}

func (l *fakeLoki) Now() (time.Time, bool) {
	if l.clock == nil {
		return time.Now().Round(0), true
	}
	return l.clock().Round(0), len(l.received()) > 0
}

func (l *fakeLoki) Push(_ context.Context, message []byte) loki.Answer {
	raw, err := s2.Decode(nil, message)
	if err != nil {
		l.t.Errorf("push is not snappy: %v", err)
	}
	var req push.PushRequest
	if err := req.Unmarshal(raw); err != nil {
		l.t.Errorf("push is not protobuf: %v", err)
	}
	if len(req.Streams) != 1 {
		l.t.Errorf("push has %d streams; Loki answers only for the last", len(req.Streams))
	}
	all := req.Streams[0].Entries
	r := received{at: time.Now(), size: len(raw), labels: req.Streams[0].Labels}
	r.entries = withoutTrail(l.t, r.labels, all)
	for _, e := range r.entries {
		r.seqs = append(r.seqs, sequenceOf(l.t, e))
		if len(e.StructuredMetadata) > 0 {
			l.t.Errorf("entry with metadata: %v", e)
		}
	}
	if len(r.entries) > 0 {
		l.mu.Lock()
		l.pushes = append(l.pushes, r)
		l.mu.Unlock()
	}
	a := taken
	if l.answer != nil {
		a = l.answer(r)
	}
	if a.Verdict == loki.Acknowledged {
		l.keep(r.labels, all)
		l.store(r.labels, r.entries...)
	}
	return a
}

func (l *fakeLoki) store(labels string, entries ...push.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stored == nil {
		l.stored = map[string]map[uint64]push.Entry{}
	}
	if len(entries) > 0 && l.stored[labels] == nil {
		l.stored[labels] = map[uint64]push.Entry{}
	}
	for _, e := range entries {
		seq := sequenceOf(l.t, e)
		switch old, ok := l.stored[labels][seq]; {
		case !ok:
			parse(l.t, e)
			l.stored[labels][seq] = e
			l.order = append(l.order, seq)
		case old.Line != e.Line || !old.Timestamp.Equal(e.Timestamp):
			l.t.Errorf("event %d comes again with other bytes:\n%v\n%v", seq, old, e)
		}
	}
}

// parse reads an entry as the page does.
func parse(t testing.TB, e push.Entry) adminsessions.Event {
	ev, err := adminsessions.ParseLine(e.Line)
	if err != nil {
		t.Errorf("line %q: %v", e.Line, err)
	}
	if ev.Sequence == 0 {
		t.Errorf("line %q has no number", e.Line)
	}
	if ev.Time.IsZero() {
		ev.Time = e.Timestamp
	}
	return ev
}

// received returns the pushes so far.
func (l *fakeLoki) received() []received {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.pushes)
}

// entries are those stored, by number.
func (l *fakeLoki) entries() map[uint64]push.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[uint64]push.Entry{}
	for _, s := range l.stored {
		for seq, e := range s {
			if _, ok := all[seq]; ok {
				l.t.Errorf("event %d is in two streams", seq)
			}
			all[seq] = e
		}
	}
	return all
}

// check asserts that every event from 1 to n is stored, each once, and in
// order if ordered, but for those left out.
func (l *fakeLoki) check(n int, ordered bool, leftOut ...uint64) {
	l.t.Helper()
	stored := l.entries()
	l.mu.Lock()
	defer l.mu.Unlock()
	if ordered && !slices.IsSorted(l.order) {
		l.t.Error("events did not arrive in order")
	}
	var missing, unwanted []uint64
	for seq := uint64(1); seq <= uint64(n); seq++ {
		switch _, ok := stored[seq]; {
		case !ok && !slices.Contains(leftOut, seq):
			missing = append(missing, seq)
		case ok && slices.Contains(leftOut, seq):
			unwanted = append(unwanted, seq)
		}
	}
	if len(missing)+len(unwanted) > 0 {
		l.t.Errorf("%d events missing, among them %v; stored against expectation: %v", len(missing), missing[:min(len(missing), 5)], unwanted)
	}
	if want := n - len(leftOut); len(stored) != want {
		l.t.Errorf("%d events stored, want %d", len(stored), want)
	}
}

var taken = loki.Answer{Verdict: loki.Acknowledged}

func away() loki.Answer {
	return loki.Answer{Verdict: loki.TryAgain, Status: "transport", Err: errors.New("loki is away")}
}

func noEnv(string) string { return "" }

func startOver(t testing.TB, l lokiClient, dir string, opts ...Option) *Exporter {
	t.Helper()
	c, err := newConfig(append([]Option{WithSpoolDir(dir), WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil)))}, opts...), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	x, err := start(c, l)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func emit(t testing.TB, x *Exporter, n int) {
	t.Helper()
	for range n {
		emitAt(t, x, time.Now())
	}
}

func emitAt(t testing.TB, x *Exporter, at time.Time) {
	t.Helper()
	ev := testEvent
	ev.Time = at
	if err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
		t.Fatal(err)
	}
}

func shutdown(t testing.TB, x *Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := x.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// kill ends an exporter as the death of the process would: what is under way is
// not dealt with.
func kill(t testing.TB, x *Exporter) {
	t.Helper()
	x.stop()
	x.running.Wait()
	_ = x.shipper.reader.Close()
	if err := x.spool.Close(); err != nil {
		t.Fatal(err)
	}
}

// logOf is a logger and what it has written.
func logOf() (*slog.Logger, func() string) {
	w := &lockedBuilder{}
	return slog.New(slog.NewTextHandler(w, nil)), w.String
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *lockedBuilder) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *lockedBuilder) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// refusal is what Loki's ingester or distributor says of the entries for which
// bad is true; nil if there are none.
func refusal(r received, format string, bad func(push.Entry) bool) error {
	counts := map[string]int{}
	for _, e := range r.entries {
		if bad(e) {
			counts[fmt.Sprintf(format, r.labels, e.Timestamp.UTC().Format(time.RFC3339))]++
		}
	}
	if len(counts) == 0 {
		return nil
	}
	var messages []string
	for m, n := range counts {
		if len(counts) > 1 || n > 1 {
			m = fmt.Sprintf("%d errors like: %s", n, m)
		}
		messages = append(messages, m)
	}
	return errors.New(strings.Join(messages, "; "))
}
