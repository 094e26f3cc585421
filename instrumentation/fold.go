package instrumentation

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// A request that nobody is signed in to costs its sender nothing, and its
// record costs us a place in the spool. So anonymous records are rationed, by
// windows of ten seconds: each address has a number of them that are recorded
// one by one, all addresses together have another, and what goes beyond is
// folded: counted by address and kind, and recorded when the window ends, as
// one event that says how many requests it stands for. Requests of somebody who
// is signed in never come here.
const (
	foldWindow = 10 * time.Second
	// foldFirst is the length of the window in which folding begins: a flood is
	// in the trail soon after it has begun.
	foldFirst = time.Second
	// foldAll is how many times the limit of one address all addresses together
	// may have recorded one by one.
	foldAll = 10
	// foldOwn is how many of each kind are recorded one by one even from an
	// address that has used up its limit: a flood of one kind does not hide the
	// one request of another.
	foldOwn = 3

	// Bounds of memory, and of what a window adds to the spool.
	maxFoldClients = 4096 // addresses told apart in a window
	maxFoldCells   = 4096 // pairs of address and kind that are counted
	maxFoldKinds   = 16   // kinds of one address in a window
	maxFoldOthers  = 64   // kinds counted without an address
	maxFoldRecords = 200  // folded records with an address, of one window
)

// fold rations anonymous records. One timer, armed while a window is open,
// ends it; there is no goroutine to stop.
type fold struct {
	limit   int
	record  func(*adminsessions.Event) error
	sink    func() adminsessions.Sink
	logger  *slog.Logger
	folded  *atomic.Int64
	pending *atomic.Int64
	lost    *atomic.Int64
	seed    maphash.Seed

	sending sync.Mutex // held while folded records are made; before mu
	hooked  sync.Once
	signers signers

	mu      sync.Mutex
	timer   *time.Timer
	open    bool // a window is open, the timer is armed
	ended   bool // the provider is shutting down: nothing is folded any more
	left    [foldLanes]int
	clients map[netip.Addr]*foldClient
	cells   map[cellKey]*cell
	others  otherCells
	episode foldEpisode
}

// foldLane keeps kinds of requests apart: none uses up what another one is
// allowed.
type foldLane int

const (
	plainLane  foldLane = iota
	signInLane          // attempts to sign in
	actLane             // the application says what was done
	strictLane          // strict requests, before they are handled
	foldLanes
)

func laneOf(e *adminsessions.Event) foldLane {
	switch {
	case e.SignIn != (adminsessions.SignIn{}):
		return signInLane
	case len(e.Changes) > 0 || e.Note != "":
		return actLane
	}
	return plainLane
}

// foldClient is what an address has used of its limits in a window.
type foldClient struct {
	recorded [foldLanes]int
	kinds    int
}

// foldEpisode is a time in which every window has folded something.
type foldEpisode struct {
	since  time.Time // zero while nothing is folded
	window int       // folded in the window that is open
	total  int
}

func newFold(m *middleware) *fold {
	return &fold{
		limit: m.anonymousLimit,
		record: func(e *adminsessions.Event) error {
			return m.hand(context.Background(), e, adminsessions.Spooled)
		},
		sink:    m.destination.currentSink,
		logger:  m.logger,
		folded:  &m.metrics.Folded,
		pending: &m.metrics.FoldedPending,
		lost:    m.metrics.Lost[counters.LostSink],
		seed:    maphash.MakeSeed(),
		clients: map[netip.Addr]*foldClient{},
		cells:   map[cellKey]*cell{},
		others:  otherCells{},
	}
}

// deliver records a record's event, alone or folded, and says which. A request
// that has one record of its own must get its second one, too.
func (m *middleware) deliver(ctx context.Context, rec *record, d adminsessions.Durability) (alone bool, err error) {
	e := &rec.event
	if !e.Anonymous() {
		if len(m.strict) > 0 && e.Stage != adminsessions.Started {
			m.fold.identify(e, rec.admitted)
		}
		return true, m.emit(ctx, e, d)
	}
	if d != adminsessions.Spooled {
		return true, m.emit(ctx, e, d)
	}
	if !rec.startedAlone && m.fold.take(e) {
		return false, nil
	}
	err = m.hand(ctx, e, d)
	if errors.Is(err, adminsessions.ErrRefused) && m.fold.takeRefused(e) {
		return false, nil
	}
	return true, m.emitted(e, err)
}

// take counts an anonymous event that is to be folded, and reports whether it
// has done so; else the event is to be recorded alone.
func (f *fold) take(e *adminsessions.Event) bool {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return false
	}
	f.begin()
	lane := laneOf(e)
	client := f.client(e)
	if f.left[lane] > 0 && (client == nil || client.recorded[lane] < f.limit) {
		f.left[lane]--
		if client != nil {
			client.recorded[lane]++
		}
		f.mu.Unlock()
		return false
	}
	c := f.cell(e, client)
	if f.left[lane] > 0 && c.own < foldOwn && !c.key.others {
		f.left[lane]--
		c.own++
		f.mu.Unlock()
		return false
	}
	begun := f.count(c, e)
	f.mu.Unlock()
	f.tell(begun, e)
	return true
}

// takeRefused counts an anonymous event that was to be recorded alone and that
// the sink has refused, and reports whether it could. What else comes in this
// window is not tried.
func (f *fold) takeRefused(e *adminsessions.Event) bool {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return false
	}
	f.begin()
	for lane := range strictLane {
		f.left[lane] = 0
	}
	begun := f.count(f.cell(e, f.client(e)), e)
	f.mu.Unlock()
	f.tell(begun, e)
	return true
}

// tell says that folding has begun. It is not called with mu held: a log may be
// slow.
func (f *fold) tell(begun bool, e *adminsessions.Event) {
	f.hooked.Do(f.hook)
	if begun {
		f.logger.Warn("requests that nobody is signed in to come faster than they are recorded one by one; "+
			"the others are counted, and recorded as one for each address and kind",
			"client_address", e.ClientAddress, "limit", f.limit, "window", foldWindow)
	}
}

// hook asks the sink to say when it ends.
func (f *fold) hook() {
	if s, ok := f.sink().(interface{ BeforeShutdown(func()) }); ok {
		s.BeforeShutdown(f.shutdown)
	}
}

// begin opens a window unless one is open. mu is held, here and below.
func (f *fold) begin() {
	if f.open {
		return
	}
	f.open = true
	for lane := range f.left {
		f.left[lane] = foldAll * f.limit
	}
	f.arm(foldWindow)
}

func (f *fold) arm(d time.Duration) {
	if f.timer == nil {
		f.timer = time.AfterFunc(d, f.end)
		return
	}
	f.timer.Reset(d)
}

// client finds or makes what is known of the event's address in this window; nil
// if no more addresses are told apart.
func (f *fold) client(e *adminsessions.Event) *foldClient {
	addr := networkOf(e.ClientAddress)
	c := f.clients[addr]
	if c == nil && len(f.clients) < maxFoldClients {
		c = new(foldClient)
		f.clients[addr] = c
	}
	return c
}

// cell finds or makes the cell that counts requests like e. Where there is no
// room for another one, that is a cell without an address.
func (f *fold) cell(e *adminsessions.Event, client *foldClient) *cell {
	key := cellKey{address: networkOf(e.ClientAddress), kind: kindOf(e, f.seed)}
	if c := f.cells[key]; c != nil {
		return c
	}
	if client == nil || client.kinds >= maxFoldKinds || len(f.cells) >= maxFoldCells {
		return f.others.cell(key.kind)
	}
	client.kinds++
	key.kind = key.kind.own()
	c := &cell{key: key}
	f.cells[key] = c
	return c
}

// count reports whether folding has begun with e.
func (f *fold) count(c *cell, e *adminsessions.Event) (begun bool) {
	c.add(e)
	f.folded.Add(1)
	f.pending.Add(1)
	ep := &f.episode
	ep.window++
	ep.total++
	if begun = ep.since.IsZero(); begun {
		ep.since = e.Time
		f.arm(foldFirst)
	}
	return begun
}
