package viewer

import (
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// chip is an active filter that can be removed.
type chip struct{ Text, URL string }

// Chips are the active filters: each term of the search, and the others.
func (p *pageData) Chips() []chip {
	var chips []chip
	add := func(text string, change func(*view)) {
		v := p.V.first()
		change(&v)
		chips = append(chips, chip{text, v.url()})
	}
	for i, t := range p.V.terms {
		add(p.termText(t), func(v *view) { v.search = without(v.terms, i).String() })
	}
	for i, t := range p.V.params {
		add(p.termText(t), func(v *view) { v.params = without(v.params, i) })
	}
	if p.V.hideMe {
		add(p.L.T("chip.hide_me"), func(v *view) { v.hideMe = false })
	}
	if p.V.looks {
		add(p.L.T("chip.looks"), func(v *view) { v.looks = false })
	}
	return chips
}

// termText is a term in the words of the page.
func (p *pageData) termText(t query.Term) string {
	key, value := t.Key, t.Value
	switch key {
	case "":
		key = "search"
	case "type":
		value = strings.ToUpper(value)
	}
	text := p.L.T("chip."+key, value)
	if t.Not {
		return p.L.T("chip.not", text)
	}
	return text
}

func without(q query.Query, i int) query.Query { return slices.Delete(slices.Clone(q), i, i+1) }

// ClearURL is the view without any filter.
func (p *pageData) ClearURL() string {
	v := newView()
	v.rng, v.sort, v.asc, v.size, v.auto, v.every = p.V.rng, p.V.sort, p.V.asc, p.V.size, p.V.auto, p.V.every
	return v.url()
}
