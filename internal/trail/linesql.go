package trail

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// linesQL is the query for the lines of all events that f chooses within the
// scope s, and maybe of others.
func linesQL(s Scope, f Filter) string {
	e := linesExpression(s, f)
	if text := addressText(f); text != "" {
		e.b.WriteString(" |= " + quote(text))
	}
	pattern, _ := sentencePattern(f)
	if every, _ := sentencePattern(Filter{}); pattern != every {
		e.matches(pattern)
	}
	return e.b.String()
}

// exactLinesQL is the query for the lines of the events that f chooses and no
// others; ok is false if sentences do not tell them apart.
func exactLinesQL(s Scope, f Filter) (expr string, ok bool) {
	e := linesExpression(s, f)
	pattern, exact := sentencePattern(f)
	e.matches(pattern)
	return e.b.String(), exact
}

func linesExpression(s Scope, f Filter) *expression {
	var e expression
	e.selector(s, adminsessions.KeyLinesOf,
		adminsessions.LokiName(adminsessions.KeyServiceName)+"="+quote(adminsessions.LinesServiceName))
	e.search(f.Search)
	return &e
}

// sentencePattern is a regular expression that matches the sentence of every
// event that f chooses, its search aside; if exact, no other event's. The
// sentence's grammar is that of adminsessions.Event.AppendSentence.
func sentencePattern(f Filter) (pattern string, exact bool) {
	exact = f.User == "" && f.Address == "" && f.Session == "" && f.Hide.IsZero() && len(f.RequestIDs) == 0
	const word = "[^ ]+"
	words := []string{word, word, word, "(?:-|[0-9]+)"} // interface, method, URL, status
	if len(f.Interfaces) > 0 {
		words[0] = strings.ToUpper(group(alternatives(f.Interfaces)))
	}
	switch {
	case slices.Contains(f.Methods, "_OTHER"):
		exact = false // the sentence has the method as it was sent
	case len(f.Methods) > 0:
		words[1] = group(alternatives(f.Methods))
	}
	switch {
	case f.Stage == adminsessions.Started:
		words[3], exact = "started", false // which may have a status all the same
	case len(f.StatusClasses) > 0:
		words[3] = group(statusPattern(f.StatusClasses))
	}
	return "^" + strings.Join(words, " ") + " ", exact
}

// addressText is what stands in the sentence of every event from the address
// that f wants; empty if that is not certain.
func addressText(f Filter) string {
	// A zone may look different in the sentence.
	if a, err := netip.ParseAddr(f.Address); err != nil || a.Zone() != "" {
		return ""
	}
	return " " + f.Address
}

func group(alternatives string) string { return "(?:" + alternatives + ")" }
