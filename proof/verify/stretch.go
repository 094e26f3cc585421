package verify

import (
	"cmp"
	"slices"
)

// stretch is events that are proved, and the mark at their end.
type stretch struct {
	from, to uint64
	mark     *mark
}

// stretches are events that are proved: one for each checkpoint, or, of very many, for
// several that follow each other.
type stretches []stretch

const maxStretches = 4096

func (r *stretches) add(next stretch) {
	*r = append(*r, next)
	if len(*r) < maxStretches {
		return
	}
	r.sort()
	kept := (*r)[:0]
	for i, next := range *r {
		last := len(kept) - 1
		if i%2 == 0 || kept[last].to+1 != next.from {
			kept = append(kept, next)
			continue
		}
		kept[last].to = next.to
		if !next.mark.rootOnly {
			kept[last].mark = next.mark
		}
	}
	// What lies behind many gaps proves nothing of the log as a whole.
	kept = kept[:min(len(kept), maxStretches*3/4)]
	clear((*r)[len(kept):])
	*r = kept
}

func (r *stretches) sort() {
	slices.SortFunc(*r, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
}
