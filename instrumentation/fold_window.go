package instrumentation

import (
	"cmp"
	"errors"
	"maps"
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
	cells, others := f.cells, f.others
	f.cells, f.others = map[cellKey]*cell{}, otherCells{}
	clear(f.clients)
	f.open, f.ended = false, f.ended || last
	if f.timer != nil {
		f.timer.Stop()
	}
	over := f.endEpisode(last)
	if !f.episode.since.IsZero() {
		f.begin()
	}
	f.mu.Unlock()

	if over.total > 0 {
		f.logger.Info("requests that nobody is signed in to are recorded one by one again",
			"folded", over.total, "since", over.since)
	}
	kept, err := f.send(merge(cells, others))
	if len(kept) == 0 {
		return
	}
	f.mu.Lock()
	ended := f.ended
	if !ended {
		f.keep(kept)
	}
	f.mu.Unlock()
	if ended {
		f.lose(kept, err)
	}
}

// endEpisode returns the episode if it is over: once a window has folded
// nothing.
func (f *fold) endEpisode(last bool) (over foldEpisode) {
	if f.episode.window == 0 || last {
		over, f.episode = f.episode, foldEpisode{}
	}
	f.episode.window = 0
	return over
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
		f.pending.Add(-int64(c.n))
		if err != nil { // lost, or not known to be safe; a second try might count twice
			f.lost.Add(int64(c.n))
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
		switch to := f.cells[c.key]; {
		case to != nil:
			to.merge(c)
		case !c.key.others && len(f.cells) < maxFoldCells:
			f.cells[c.key] = c
		default:
			f.others.cell(c.key.kind).merge(c)
		}
	}
}

// lose counts what could not be recorded before the provider ended.
func (f *fold) lose(cells []*cell, err error) {
	n := 0
	for _, c := range cells {
		n += c.n
	}
	f.pending.Add(-int64(n))
	f.lost.Add(int64(n))
	f.logger.Error("anonymous requests that were counted are not recorded: the provider ends and does not take the record",
		"requests", n, "error", err)
}

// merge sorts cells by what they count, and makes those that are over the
// number of records of a window into cells without an address.
func merge(cells map[cellKey]*cell, others otherCells) []*cell {
	due := make([]*cell, 0, len(cells)+len(others))
	for _, c := range cells {
		if c.n > 0 {
			due = append(due, c)
		}
	}
	slices.SortFunc(due, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(b.n, a.n), a.event.Since.Compare(b.event.Since))
	})
	rest := due[min(len(due), maxFoldRecords):]
	due = due[:len(due)-len(rest)]
	addresses := map[*cell]map[netip.Addr]struct{}{}
	for _, c := range rest {
		to := others.cell(c.key.kind)
		to.merge(c)
		if addresses[to] == nil {
			addresses[to] = map[netip.Addr]struct{}{}
		}
		addresses[to][c.key.address] = struct{}{}
		to.addresses = max(to.addresses, len(addresses[to]))
	}
	return slices.AppendSeq(due, maps.Values(others))
}
