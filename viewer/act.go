package viewer

import (
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// act is what an event did, as a person would say it: "deleted", client "7731"
// Acme; or "tried to delete", client "7731", Outcome "denied".
type act struct {
	Verb    string
	Object  string // and what of it: "addresses of client 7731"
	Name    string
	URL     string // of the events of this object
	Outcome string // in words, unless it was done
	Class   string // outcome, for its style
	Action  string
	Reads   bool // nothing was changed
}

// act says what e did; nil if that is not known.
func (p *pageData) act(e *trail.Event) *act {
	if e.Action == "" {
		return nil
	}
	a := &act{Action: e.Action, Name: e.Resource.Name, Class: string(e.Outcome)}
	nouns, verb := cutLast(e.Action)
	said, base, rest := p.L.verb(verb)
	a.Reads = verb == "view" || verb == "list" || verb == "select"
	if form, ok := strings.CutSuffix(verb, "_form"); ok {
		if _, base, rest = p.L.verb(form); base != "" {
			said, a.Reads = p.L.T("act.form", base), true
		}
	}
	_, noun := cutLast(nouns)
	if said == "" {
		a.Verb, noun, rest = e.Action, "", "" // as it is
	}
	a.Object = p.objectOf(&e.Resource, strings.TrimSpace(words(rest)), noun)
	if r := e.Resource; r.Type != "" && r.ID != "" {
		a.URL = p.only("object", r.Type+"/"+r.ID)
	}
	switch {
	case e.Outcome != "" && e.Outcome != adminsessions.OutcomeSuccess:
		a.Outcome = p.L.name("outcome", string(e.Outcome))
		if said != "" && !a.Reads {
			said = p.L.T("act.tried", base)
		}
	case e.InProgress() && said != "" && base != "":
		said = p.L.T("act.running", base)
	}
	if said != "" {
		a.Verb = said
	}
	return a
}

// objectOf says what an act was done to: a part, if that is known, of a noun of
// the action, of the object.
func (p *pageData) objectOf(r *adminsessions.Resource, part, noun string) string {
	object := ""
	if r.ID != "" || r.Name != "" {
		object = strings.TrimSpace(singular(words(r.Type)) + " " + r.ID)
	}
	noun = words(noun)
	if object == "" && r.Type != "" {
		noun = words(r.Type)
	}
	if object != "" && singular(noun) == singular(words(r.Type)) {
		noun = ""
	}
	phrase := object
	for _, of := range []string{noun, part} {
		switch {
		case of == "", of == "to": // moved to
		case phrase == "":
			phrase = of
		case of == "all": // delete_all
			phrase = "all " + phrase
		default:
			phrase = p.L.T("act.of", of, phrase)
		}
	}
	return phrase
}

// verb is a verb in the words of the language, done and to do; empty if the
// language has none. A verb may have more behind it: import_zones.
func (l *locale) verb(verb string) (said, base, rest string) {
	for ; verb != ""; verb, rest = before(verb, rest) {
		if said, ok := l.Messages["verb."+verb]; ok {
			return said, l.Messages["verb."+verb+".base"], rest
		}
	}
	return "", "", ""
}

// before takes the last word of a verb to the rest.
func before(verb, rest string) (_, _ string) {
	i := strings.LastIndexByte(verb, '_')
	if i < 0 {
		return "", ""
	}
	return verb[:i], strings.TrimSuffix(verb[i+1:]+"_"+rest, "_")
}

// cutLast parts an action into what stands before its last dot and behind it.
func cutLast(action string) (before, last string) {
	i := strings.LastIndexByte(action, '.')
	return action[:max(i, 0)], action[i+1:]
}

// words makes words of a name: dns_zones is "dns zones".
func words(name string) string { return strings.NewReplacer("_", " ", "-", " ").Replace(name) }

// singular makes one of several English things, as far as their ending tells.
func singular(s string) string {
	switch {
	case len(s) <= 3, strings.HasSuffix(s, "ss"), strings.HasSuffix(s, "us"), strings.HasSuffix(s, "is"),
		strings.HasSuffix(s, "dns"), strings.HasSuffix(s, "news"), strings.HasSuffix(s, "settings"):
		return s
	case strings.HasSuffix(s, "ies"):
		return s[:len(s)-3] + "y"
	case strings.HasSuffix(s, "sses"), strings.HasSuffix(s, "shes"), strings.HasSuffix(s, "ches"), strings.HasSuffix(s, "xes"):
		return s[:len(s)-2]
	}
	return strings.TrimSuffix(s, "s")
}
