package viewer

import (
	"net/netip"
	"slices"
)

// chip is an active filter that can be removed.
type chip struct{ Text, URL string }

// Chips are the active filters.
func (p *pageData) Chips() []chip {
	var chips []chip
	add := func(text string, change func(*view)) {
		v := p.V.first()
		change(&v)
		chips = append(chips, chip{text, v.url()})
	}
	v, l := p.V, p.L
	if v.search != "" {
		add(l.T("chip.search", v.search), func(v *view) { v.search = "" })
	}
	for _, t := range v.types {
		add(l.T("chip.type", string(t)), func(v *view) { v.types = without(v.types, t) })
	}
	for _, m := range v.methods {
		add(l.T("chip.method", m), func(v *view) { v.methods = without(v.methods, m) })
	}
	for _, s := range v.statuses {
		add(l.T("chip.status", s), func(v *view) { v.statuses = without(v.statuses, s) })
	}
	if v.user != "" {
		add(l.T("chip.admin", v.user), func(v *view) { v.user = "" })
	}
	if v.addresses.IsValid() {
		add(l.T("chip.ip", v.addressText()), func(v *view) { v.addresses = netip.Prefix{} })
	}
	if v.session != "" {
		add(l.T("chip.session", v.session), func(v *view) { v.session = "" })
	}
	if v.hideMe {
		add(l.T("chip.hide_me"), func(v *view) { v.hideMe = false })
	}
	if v.looks {
		add(l.T("chip.looks"), func(v *view) { v.looks = false })
	}
	return chips
}

func without[T comparable](s []T, v T) []T {
	return slices.DeleteFunc(slices.Clone(s), func(x T) bool { return x == v })
}

// ClearURL is the view without any filter.
func (p *pageData) ClearURL() string {
	v := p.V.first()
	return (&view{rng: v.rng, sort: v.sort, asc: v.asc, size: v.size, auto: v.auto, every: v.every, page: 1}).url()
}
