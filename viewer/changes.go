package viewer

import (
	"slices"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// change is a field before and after an act.
type change struct {
	Field, Old, New      string
	OldIsCut, NewIsCut   bool // there was more
	OldIsNone, NewIsNone bool
}

// changesOf are the changes of an event, and whether there were more.
func changesOf(e *trail.Event) (changes []change, more bool) {
	for _, c := range e.Changes {
		changes = append(changes, change{Field: c.Field, Old: c.Old, New: c.New,
			OldIsCut: slices.Contains(e.Cut, "was."+c.Field), NewIsCut: slices.Contains(e.Cut, "now."+c.Field)})
	}
	return changes, slices.Contains(e.Cut, "changes")
}

// fact is something about an event that stands above the list of its fields.
type fact struct {
	Label, Value string
	URL          string
	Reason       bool // it is why something was done
}

// facts are what a person asks first about an act: why, what kind of actor, for
// whom, from where, and because of what.
func (p *pageData) facts(e *trail.Event) (facts []fact) {
	add := func(key, value, url string) {
		if value != "" {
			facts = append(facts, fact{p.L.T("details." + key), value, url, key == "reason"})
		}
	}
	add("reason", e.Reason, "")
	actor := ""
	if e.Actor.Type != "" {
		actor = p.L.name("actor", string(e.Actor.Type))
	}
	if e.Actor.CredentialID != "" {
		actor = joined(actor, p.L.T("details.credential", e.Actor.CredentialID))
	}
	add("actor", actor, "")
	if t := e.Actor.TenantID; t != "" {
		add("tenant", t, p.only("tenant", t))
	}
	add("country", joined(joined(e.Geo.Locality, e.Geo.Country), e.Geo.Network), "")
	if e.Cause != "" {
		add("cause", p.L.T("details.request", e.Cause), eventURL(e.Cause))
	}
	return facts
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// eventURL is the permanent link to a request.
func eventURL(id string) string {
	v := newView()
	v.event = id
	return v.url()
}
