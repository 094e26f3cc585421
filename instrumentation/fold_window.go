package instrumentation

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"github.com/adminsessions/adminsessions"
)

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
		key.kind.action, key.kind.where = "", 0
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
