package instrumentation

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions"
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
	folded  prometheus.Counter
	pending prometheus.Gauge
	lost    prometheus.Counter

	sending sync.Mutex // held while folded records are made; before mu
	hooked  sync.Once

	mu      sync.Mutex
	timer   *time.Timer
	open    bool // a window is open, the timer is armed
	ended   bool // the provider is shutting down: nothing is folded any more
	left    [foldLanes]int
	clients map[netip.Addr]foldClient
	cells   map[cellKey]*cell
	others  int // cells without an address
	episode foldEpisode
}

// foldLane keeps attempts to sign in apart from everything else: neither uses
// up what the other is allowed.
type foldLane int

const (
	plainLane foldLane = iota
	signInLane
	foldLanes
)

func laneOf(e *adminsessions.Event) foldLane {
	if e.SignIn != (adminsessions.SignIn{}) {
		return signInLane
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

// foldVerdict is what becomes of an anonymous record.
type foldVerdict bool

const (
	recordAlone foldVerdict = true
	folded      foldVerdict = false
)

func newFold(m *middleware) *fold {
	return &fold{
		limit: m.anonymousLimit,
		record: func(e *adminsessions.Event) error {
			return m.hand(context.Background(), e, adminsessions.Spooled)
		},
		sink:    m.destination.currentSink,
		logger:  m.logger,
		folded:  m.metrics.folded,
		pending: m.metrics.foldedPending,
		lost:    m.metrics.lost[failureSink],
		clients: map[netip.Addr]foldClient{},
		cells:   map[cellKey]*cell{},
	}
}

// deliver records an event, alone or folded, and says which. A request that has
// a record of its own already must get its second one, too.
func (m *middleware) deliver(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability, alone bool) (bool, error) {
	if d != adminsessions.Spooled || !e.Anonymous() {
		return true, m.emit(ctx, e, d)
	}
	if !alone && m.fold.take(e) == folded {
		return false, nil
	}
	err := m.hand(ctx, e, d)
	if errors.Is(err, adminsessions.ErrRefused) && m.fold.refused(e) {
		return false, nil
	}
	return true, m.emitted(e, err)
}

// take decides about an anonymous event that is to be recorded. If the verdict
// is folded, the event has been counted.
func (f *fold) take(e *adminsessions.Event) foldVerdict {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return recordAlone
	}
	f.begin()
	lane, addr := laneOf(e), networkOf(e.ClientAddress)
	client, known := f.clients[addr]
	known = known || len(f.clients) < maxFoldClients
	if f.left[lane] > 0 && (!known || client.recorded[lane] < f.limit) {
		f.left[lane]--
		client.recorded[lane]++
		if known {
			f.clients[addr] = client
		}
		f.mu.Unlock()
		return recordAlone
	}
	c := f.cell(e, addr, &client, known)
	if known {
		f.clients[addr] = client
	}
	if f.left[lane] > 0 && c.own < foldOwn && !c.key.others {
		f.left[lane]--
		c.own++
		f.mu.Unlock()
		return recordAlone
	}
	f.count(c, e)
	f.mu.Unlock()
	f.hooked.Do(f.hook)
	return folded
}

// refused counts an anonymous event that was to be recorded alone and that the
// sink did not take, and reports whether it could. What else comes in this
// window is not tried.
func (f *fold) refused(e *adminsessions.Event) bool {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return false
	}
	f.begin()
	f.left = [foldLanes]int{}
	addr := networkOf(e.ClientAddress)
	client, known := f.clients[addr]
	known = known || len(f.clients) < maxFoldClients
	c := f.cell(e, addr, &client, known)
	if known {
		f.clients[addr] = client
	}
	f.count(c, e)
	f.mu.Unlock()
	f.hooked.Do(f.hook)
	return true
}

// begin opens a window unless one is open. mu is held, here and below.
func (f *fold) begin() {
	if f.open {
		return
	}
	f.open = true
	f.left = [foldLanes]int{foldAll * f.limit, foldAll * f.limit}
	f.arm(foldWindow)
}

func (f *fold) arm(d time.Duration) {
	if f.timer == nil {
		f.timer = time.AfterFunc(d, f.end)
		return
	}
	f.timer.Reset(d)
}

// cell finds or makes the cell that counts requests like e. Where there is no
// room for another one, that is a cell without an address.
func (f *fold) cell(e *adminsessions.Event, addr netip.Addr, client *foldClient, known bool) *cell {
	key := cellKey{address: addr, kind: kindOf(e)}
	if c := f.cells[key]; c != nil {
		return c
	}
	if known && client.kinds < maxFoldKinds && len(f.cells)-f.others < maxFoldCells {
		client.kinds++
		c := &cell{key: key}
		f.cells[key] = c
		return c
	}
	return f.otherCell(key.kind)
}

// otherCell finds or makes a cell that counts requests of a kind whatever
// their addresses are.
func (f *fold) otherCell(k kind) *cell {
	k.where = ""
	key := cellKey{others: true, kind: k}
	if f.cells[key] == nil && f.others >= maxFoldOthers {
		key.kind = kind{stage: k.stage}
	}
	c := f.cells[key]
	if c == nil {
		c = &cell{key: key}
		f.cells[key] = c
		f.others++
	}
	return c
}

func (f *fold) count(c *cell, e *adminsessions.Event) {
	c.add(e)
	f.folded.Inc()
	f.pending.Inc()
	ep := &f.episode
	ep.window++
	ep.total++
	if ep.since.IsZero() {
		ep.since = e.Time
		f.arm(foldFirst)
		f.logger.Warn("requests that nobody is signed in to come faster than they are recorded one by one; "+
			"the others are counted, and recorded as one for each address and kind",
			"client_address", e.ClientAddress, "limit", f.limit, "window", foldWindow)
	}
}

// end ends a window, and begins another one if folding goes on.
func (f *fold) end() { f.close(false) }

// shutdown records what has been counted before the provider ends.
func (f *fold) shutdown() { f.close(true) }

func (f *fold) close(last bool) {
	f.sending.Lock()
	defer f.sending.Unlock()
	f.mu.Lock()
	due := make([]*cell, 0, len(f.cells))
	for _, c := range f.cells {
		if c.n > 0 {
			due = append(due, c)
		}
	}
	clear(f.cells)
	clear(f.clients)
	f.others = 0
	f.open, f.ended = false, f.ended || last
	if f.timer != nil {
		f.timer.Stop()
	}
	f.endEpisode(last)
	if !f.episode.since.IsZero() {
		f.begin()
	}
	f.mu.Unlock()

	kept, err := f.send(merge(due))
	if len(kept) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		f.lose(kept, err)
		return
	}
	f.keep(kept)
}

// endEpisode says that folding is over, once a window has folded nothing.
func (f *fold) endEpisode(last bool) {
	ep := &f.episode
	if ep.since.IsZero() || ep.window > 0 && !last {
		ep.window = 0
		return
	}
	f.logger.Info("requests that nobody is signed in to are recorded one by one again",
		"folded", ep.total, "since", ep.since)
	*ep = foldEpisode{}
}

// send records cells until one is refused, and returns those that are still to
// be recorded.
func (f *fold) send(cells []*cell) ([]*cell, error) {
	for i, c := range cells {
		e := c.folded()
		err := f.record(&e)
		if errors.Is(err, adminsessions.ErrRefused) {
			return cells[i:], err
		}
		f.pending.Sub(float64(c.n))
		if err != nil { // lost, or not known to be safe; a second try might count twice
			f.lost.Add(float64(c.n))
			f.logger.Error("folded record of anonymous requests is lost, or not known to be safe", "requests", c.n, "error", err)
		}
	}
	return nil, nil
}

// keep takes back cells that the sink has refused: the next window tries again.
func (f *fold) keep(cells []*cell) {
	f.begin()
	f.episode.window++ // there is something to record at its end
	for _, c := range cells {
		to := f.cells[c.key]
		switch {
		case to != nil:
		case !c.key.others && len(f.cells)-f.others < maxFoldCells:
			f.cells[c.key] = c
			continue
		default:
			to = f.otherCell(c.key.kind)
		}
		to.merge(c)
	}
}

// lose counts what could not be recorded before the provider ended.
func (f *fold) lose(cells []*cell, err error) {
	n := 0
	for _, c := range cells {
		n += c.n
	}
	f.pending.Sub(float64(n))
	f.lost.Add(float64(n))
	f.logger.Error("anonymous requests that were counted are not recorded: the provider ends and does not take the record",
		"requests", n, "error", err)
}

// hook asks the sink to say when it ends.
func (f *fold) hook() {
	if s, ok := f.sink().(interface{ BeforeShutdown(func()) }); ok {
		s.BeforeShutdown(f.shutdown)
	}
}

// merge sorts cells by what they count, and makes those that are over the
// number of records of a window into cells without an address.
func merge(cells []*cell) []*cell {
	var own, rest []*cell
	others := map[cellKey]*cell{}
	for _, c := range cells {
		if c.key.others {
			others[c.key] = c
		} else {
			own = append(own, c)
		}
	}
	slices.SortFunc(own, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(b.n, a.n), a.event.Since.Compare(b.event.Since))
	})
	if len(own) > maxFoldRecords {
		own, rest = own[:maxFoldRecords], own[maxFoldRecords:]
	}
	addresses := map[cellKey]map[netip.Addr]struct{}{}
	for _, c := range rest {
		key := cellKey{others: true, kind: c.key.kind}
		key.kind.where = ""
		to := others[key]
		if to == nil && len(others) >= maxFoldOthers {
			key.kind = kind{stage: key.kind.stage}
			to = others[key]
		}
		if to == nil {
			to = &cell{key: key}
			others[key] = to
		}
		to.merge(c)
		if addresses[key] == nil {
			addresses[key] = map[netip.Addr]struct{}{}
		}
		addresses[key][c.key.address] = struct{}{}
		to.addresses = max(to.addresses, len(addresses[key]))
	}
	for _, c := range others {
		own = append(own, c)
	}
	return own
}
