package trail

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// The conditions of a filter in LogQL. Words are compared by their position in the
// line. A text that is compared whole stands in the line between its key and the
// quote that ends it, and no value can hold that, since a quote in a value has a
// backslash before it: there a line filter is the comparison. To leave out events
// the text is taken out of the line and compared: a line filter must not do that.

// only wants the conditions that Loki checks fast.
func (e *expression) only(c *Conditions) {
	e.oneOf("type", asStrings(c.Types))
	e.oneOf("method", c.Methods)
	e.oneOf("outcome", asStrings(c.Outcomes))
	if len(c.Statuses) > 0 {
		if len(c.Statuses) == 1 {
			e.contains(" status=" + strings.TrimRight(c.Statuses[0], "x"))
		}
		e.where(each(c.Statuses, func(s string) string { return e.status(s, false) })...)
	}
	if len(c.Actions) > 0 {
		e.contains(each(c.Actions, actionHint)...)
		e.where(each(c.Actions, func(a string) string { return e.action(a, false) })...)
	}
	if len(c.Addresses) > 0 {
		if !slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return !isOne(p) }) {
			e.contains(each(c.Addresses, func(p netip.Prefix) string { return " ip=" + encodeWord(p.Addr().String()) + " " })...)
		}
		e.where(each(c.Addresses, func(p netip.Prefix) string { return e.address(p, false) })...)
	}
	if len(c.Sessions) > 0 {
		// A TAB stands nowhere but between the parts of a line: this is exact.
		e.contains(each(c.Sessions, func(s string) string { return "\tsession=" + encodeWord(s) + " request=" })...)
	}
	e.whole("tenant", c.Tenants)
	e.whole("credential", c.Credentials)
	e.whole("country", c.Countries)
}

// not leaves out what meets one of the conditions that Loki checks fast.
func (e *expression) not(c *Conditions) {
	e.noneOf("type", asStrings(c.Types))
	e.noneOf("method", c.Methods)
	e.noneOf("outcome", asStrings(c.Outcomes))
	for _, s := range c.Statuses {
		e.where(e.status(s, true))
	}
	for _, a := range c.Actions {
		e.where(e.action(a, true))
	}
	for _, p := range c.Addresses {
		e.where(e.address(p, true))
	}
	for _, s := range c.Sessions {
		e.where(e.session() + "!=" + quote(encodeWord(s)))
	}
}

// onlyTexts wants the other conditions, for which something is taken out of the
// lines that are left.
func (e *expression) onlyTexts(c *Conditions) {
	for _, t := range c.Texts {
		e.hint(t)
		e.where(e.contained(t, "=~")...)
	}
	if len(c.Users) > 0 {
		e.hint(c.Users...)
		e.where(slices.Concat(each(c.Users, func(u string) []string { return e.user(u, false) })...)...)
	}
	if len(c.Requests) > 0 {
		e.contains(slices.Concat(each(c.Requests, requestTexts)...)...)
		e.where(slices.Concat(each(c.Requests, func(id string) []string { return e.requestOrCause(id, false) })...)...)
	}
	e.resources(c.Resources)
	e.actors(c.Actors)
	e.within("url", c.URLs)
	e.within("reason", c.Reasons)
}

// notTexts leaves out what meets one of the other conditions.
func (e *expression) notTexts(c *Conditions) {
	for _, t := range c.Texts {
		e.all(e.contained(t, "!~"))
	}
	for _, u := range c.Users {
		e.all(e.user(u, true))
	}
	for _, id := range c.Requests {
		e.all(e.requestOrCause(id, true))
	}
	for _, r := range c.Resources {
		e.where(e.resource(r, true)...)
	}
	for _, a := range c.Actors {
		e.all(e.notActor(a))
	}
	e.otherThan("tenant", c.Tenants)
	e.otherThan("credential", c.Credentials)
	e.otherThan("country", c.Countries)
	for _, u := range c.URLs {
		e.where(e.text("url") + "!~" + quote(containing(u)))
	}
	for _, r := range c.Reasons {
		e.where(e.text("reason") + "!~" + quote(containing(r)))
	}
}

// oneOf wants a word to be one of some values.
func (e *expression) oneOf(word string, values []string) {
	if len(values) == 0 {
		return
	}
	if len(values) == 1 {
		e.contains(word + "=" + encodeWord(values[0]) + " ")
	}
	e.where(each(values, func(v string) string { return e.word(word) + "=" + quote(encodeWord(v)) })...)
}

// noneOf wants a word to be none of some values.
func (e *expression) noneOf(word string, values []string) {
	for _, v := range values {
		e.where(e.word(word) + "!=" + quote(encodeWord(v)))
	}
}

// operator is how LogQL compares with a text, or with a regular expression.
func operator(regular, not bool) string {
	switch {
	case regular && not:
		return "!~"
	case regular:
		return "=~"
	case not:
		return "!="
	}
	return "="
}

func (e *expression) status(s string, not bool) string {
	class := strings.HasSuffix(s, "x")
	return e.word("status") + operator(class, not) + quote(strings.ReplaceAll(s, "x", "."))
}

// anything is a regular expression for any text. Loki takes .* for less: it looks
// for what stands beside it anywhere.
const anything = "(?s:.*)"

func (e *expression) action(a string, not bool) string {
	part := regexp.QuoteMeta(partOfWord(a))
	switch {
	case strings.HasSuffix(a, "."):
		return e.word("action") + operator(true, not) + quote(part+anything)
	case strings.HasPrefix(a, "."):
		return e.word("action") + operator(true, not) + quote(anything+part)
	case !strings.Contains(a, "."):
		return e.word("action") + operator(true, not) + quote("(?:"+anything+`\.)?`+part)
	default:
		return e.word("action") + operator(false, not) + quote(encodeWord(a))
	}
}

// actionHint is a text that the lines with an action have.
func actionHint(a string) string {
	switch {
	case strings.HasSuffix(a, "."):
		return " action=" + partOfWord(a)
	case strings.HasPrefix(a, "."), !strings.Contains(a, "."):
		return partOfWord(a) + " outcome="
	default:
		return " action=" + encodeWord(a) + " outcome="
	}
}

// partOfWord is a part of a value as it stands in a word.
func partOfWord(part string) string { return strings.TrimPrefix(encodeWord("x"+part), "x") }

// isOne reports whether the network is one address that stands in lines as it is:
// link-local ones may have a zone.
func isOne(p netip.Prefix) bool { return p.IsSingleIP() && !p.Addr().IsLinkLocalUnicast() }

func (e *expression) address(p netip.Prefix, not bool) string {
	if isOne(p) {
		return e.word("ip") + operator(false, not) + quote(encodeWord(p.Addr().String()))
	}
	// Loki looks for an address only where five bytes follow: "::1" is too short
	// for it without some blanks. They go into another label: Loki compares one
	// while it captures it.
	const padded = captured + "padded"
	e.capture("label_format "+padded+"="+quote("{{."+e.word("ip")+"}}     "), padded)
	return padded + " " + operator(false, not) + " ip(" + quote(p.Masked().String()) + ")"
}

// user are conditions of which one holds for an administrator, or, if not, all
// for everybody else.
func (e *expression) user(u string, not bool) []string {
	conditions := []string{
		e.word("email") + operator(true, not) + quote(foldedWord(u)),
		e.word("id") + operator(false, not) + quote(encodeWord(u)),
	}
	if strings.Contains(u, "@") {
		return conditions
	}
	name := "(?i)(?:" + anything + " )?" + literally(u) + "(?: " + anything + ")?"
	return append(conditions,
		e.word("email")+operator(true, not)+quote("(?i)"+regexp.QuoteMeta(partOfWord(u))+"@"+anything),
		e.text("name")+operator(true, not)+quote(name))
}

func requestTexts(id string) []string {
	return []string{" request=" + encodeWord(id) + " ", ` cause="` + encodeText(id) + `"`}
}

// requestOrCause are conditions of which one holds for a request, or what it has
// caused, or, if not, all for everything else.
func (e *expression) requestOrCause(id string, not bool) []string {
	return []string{e.request() + operator(false, not) + quote(encodeWord(id)), e.textIs("cause", id, not)}
}

// whole wants a text to be one of some values.
func (e *expression) whole(name string, values []string) {
	if len(values) == 0 {
		return
	}
	e.contains(each(values, func(v string) string { return " " + name + `="` + encodeText(v) + `"` })...)
	if slices.ContainsFunc(values, mayBeBetween) {
		e.where(each(values, func(v string) string { return e.textIs(name, v, false) })...)
	}
}

// otherThan leaves out events of which a text is one of some values.
func (e *expression) otherThan(name string, values []string) {
	for _, v := range values {
		e.where(e.textIs(name, v, true))
	}
}

// mayBeBetween reports whether a value, with its key and quotes, can stand in a
// line from the end of one text to the beginning of another.
func mayBeBetween(value string) bool { return value == "" || value[0] == ' ' || value[0] == '\t' }

// resources wants an object to be one of some.
func (e *expression) resources(resources []adminsessions.Resource) {
	switch len(resources) {
	case 0:
		return
	case 1:
		if t := resources[0].Type; t != "" {
			e.whole("object", []string{t})
		}
		if id := resources[0].ID; id != "" {
			e.whole("object_id", []string{id})
		}
		return
	}
	if !slices.ContainsFunc(resources, func(r adminsessions.Resource) bool { return r.ID != "" }) {
		e.whole("object", each(resources, func(r adminsessions.Resource) string { return r.Type }))
		return
	}
	e.where(each(resources, func(r adminsessions.Resource) string {
		return "(" + strings.Join(e.resource(r, false), " and ") + ")"
	})...)
}

// resource are conditions on an object: its type and its id, where they are said.
func (e *expression) resource(r adminsessions.Resource, not bool) (conditions []string) {
	if r.Type != "" {
		conditions = append(conditions, e.textIs("object", r.Type, not))
	}
	if r.ID != "" {
		conditions = append(conditions, e.textIs("object_id", r.ID, not))
	}
	return conditions
}

func (e *expression) actors(actors []adminsessions.ActorType) {
	if !slices.Contains(actors, adminsessions.ActorUser) {
		e.whole("actor", asStrings(actors))
		return
	}
	conditions := each(actors, func(a adminsessions.ActorType) string { return e.textIs("actor", string(a), false) })
	e.where(append(conditions, "("+e.text("actor")+`="" and (`+e.word("email")+`!="-" or `+e.word("id")+`!="-"))`)...)
}

// notActor are conditions that all hold for other kinds of actors.
func (e *expression) notActor(a adminsessions.ActorType) []string {
	conditions := []string{e.textIs("actor", string(a), true)}
	if a == adminsessions.ActorUser {
		conditions = append(conditions, e.text("actor")+`!="" or (`+e.word("email")+`="-" and `+e.word("id")+`="-")`)
	}
	return conditions
}

// within wants a text to contain one of some texts, whatever the case.
func (e *expression) within(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	e.hint(texts...)
	e.where(each(texts, func(t string) string { return e.text(name) + "=~" + quote(containing(t)) })...)
}

// containing is a regular expression for what contains a text, whatever the case.
func containing(text string) string {
	return "(?i)" + anything + literally(text) + anything
}

// textIs is the condition that a text is a value.
func (e *expression) textIs(name, value string, not bool) string {
	if strings.Contains(value, "\x00") { // not even escaped does LogQL take it
		return e.text(name) + operator(true, not) + quote(literally(value))
	}
	return e.text(name) + operator(false, not) + quote(value)
}

// literally is a regular expression for a text.
func literally(s string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(clean(s)), "\x00", `\x00`)
}

// each makes something of each value.
func each[T, R any](values []T, f func(T) R) []R {
	made := make([]R, len(values))
	for i, v := range values {
		made[i] = f(v)
	}
	return made
}

// asStrings are values as strings.
func asStrings[S ~string](values []S) []string {
	return each(values, func(v S) string { return string(v) })
}
