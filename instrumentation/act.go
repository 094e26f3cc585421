package instrumentation

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/text"
)

// An act is read off the route, so that most handlers need not say what they
// do. docs/acts.md has the rules as a table.
type act struct {
	action   string // "client.address.delete"
	resource string // type of the resource: "address"
	noun     string // the last one: type of what has no value in the route
	id       int    // index of the route's segment that names the resource, or -1
	slashes  int    // between the route's segments, or -1 if it goes on as it likes
	shows    bool   // a page, by a method that only reads
}

// describeAct fills in what an event does where the application has not said it.
// known is the act of its route, if that is worked out.
func describeAct(e *adminsessions.Event, known *act) {
	if e.Action != "" && e.Resource.ID != "" && e.Resource.Type != "" {
		return
	}
	var done act
	path, route := pathOf(e.URL), e.Route
	switch {
	case known != nil:
		done = *known
	case route != "":
		done = actOf(e.Method, route)
	case e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed:
		return // what is not found is no act, whatever its path says
	default:
		// Nobody has told the route: a proxy, a router of another kind.
		route = routeOfPath(path)
		done = actOf(e.Method, route)
	}
	if done.shows && redirects(e.StatusCode) {
		return // to the sign-in page, or to the clean path: nothing was shown
	}
	if e.Action == "" {
		e.Action = done.action
	}
	id := ""
	if done.id >= 0 {
		id = done.resourceID(path)
	}
	switch {
	case e.Resource.ID != "":
		if e.Resource.Type != "" {
			break
		}
		if e.Resource.Type = done.noun; e.Resource.ID == id {
			e.Resource.Type = done.resource
		}
	case id != "" && !strings.Contains(id, redacted):
		var cut bool
		if e.Resource.ID, cut = text.Clean(id, fieldResourceID.limit); cut {
			markCut(e, fieldResourceID.name)
		}
		if e.Resource.Type == "" {
			e.Resource.Type = done.resource
		}
	}
}

// nameAct lets the application name what was read off a route.
func (m *middleware) nameAct(e *adminsessions.Event) {
	route := e.Route
	if route == "" {
		route = pathOf(e.URL)
	}
	if action := m.actions(e.Method, route); action != "" {
		e.Action = m.bounded(e, fieldAction, action)
	}
}

func redirects(status int) bool {
	return status >= 300 && status < 400 && status != http.StatusNotModified
}

// actOf reads an act off a method and a route.
func actOf(method, route string) act {
	done := act{id: -1, slashes: slashesOf(route)}
	var nouns, verbs []string
	stripped := map[string]bool{}
	afterNoun := false // the next wildcard names the resource
	endsInID := false
	last := ""
	segs := strings.Split(strings.Trim(route, "/"), "/")
	for i, seg := range segs {
		switch {
		case seg == "" || seg == "{$}":
			continue
		case isWildcard(seg):
			if afterNoun && !isPart(seg) {
				done.id, done.resource, endsInID = i, nouns[len(nouns)-1], true
			}
			afterNoun = false
			continue
		}
		seg = plainSegment(seg)
		if strings.HasPrefix(seg, "by_") && len(nouns) > 0 {
			afterNoun, endsInID = false, false // which of them: /invoices/by_client/{id}
			continue
		}
		last = seg
		if len(nouns) == 0 && len(verbs) == 0 && !stripped[mount(seg)] && mount(seg) != "" {
			stripped[mount(seg)] = true
			continue
		}
		if len(verbs) > 0 || isVerb(seg, done.id >= 0, endsInWildcard(segs, i)) {
			verbs = append(verbs, seg)
			continue
		}
		nouns, afterNoun, endsInID = append(nouns, seg), true, false
	}
	verb := strings.Join(verbs, "_")
	if len(nouns) == 0 && verb == "" {
		nouns = append(nouns, last) // the panel's own first page
	}
	if len(nouns) > 0 {
		done.noun = nouns[len(nouns)-1]
	}
	reads := method == "GET" || method == "HEAD" || method == "QUERY"
	switch {
	case verb == "":
		verb, done.shows = verbOf(method, nouns, endsInID), reads
	case reads && isForm(verb):
		verb, done.shows = verb+"_form", true
	}
	done.action = strings.Trim(strings.Join(nouns, ".")+"."+verb, ".")
	return done
}

// verbOf is the verb of a route that has none: that of its method.
func verbOf(method string, nouns []string, endsInID bool) string {
	switch method {
	case "GET", "HEAD", "QUERY":
		if !endsInID && isPlural(nouns[len(nouns)-1]) {
			return "list"
		}
		return "view"
	case "POST":
		if endsInID || isSingle(nouns[len(nouns)-1]) {
			return "update"
		}
		return "create"
	case "PUT", "PATCH":
		return "update"
	case "DELETE":
		return "delete"
	}
	return strings.ToLower(strings.Trim(method, "_"))
}

// mount is the name of a segment that only says where a panel or its API is
// mounted, and "" of others. Versions count as one.
func mount(seg string) string {
	switch seg {
	case "admin", "api", "panel", "backend", "backoffice", "dashboard", "manage":
		return seg
	}
	if len(seg) >= 2 && seg[0] == 'v' && strings.Trim(seg[1:], "0123456789") == "" {
		return "v"
	}
	return ""
}

// isWildcard reports whether a route's segment stands for a value: {id}, :id,
// *path, <int:id>.
func isWildcard(seg string) bool {
	return seg[0] == ':' || seg[0] == '*' || strings.ContainsAny(seg, "{<")
}

// isPart reports whether a wildcard stands for a part of a page, not for a
// thing.
func isPart(seg string) bool {
	switch strings.Trim(seg, "{}:*<>.") {
	case "tab", "page", "section", "format", "locale", "lang", "type":
		return true
	}
	return false
}

// plainSegment is a segment in small letters, with underscores, without the
// ending of a file.
func plainSegment(seg string) string {
	if i := strings.LastIndexByte(seg, '.'); i > 0 {
		switch seg[i+1:] {
		case "php", "html", "htm", "json", "xml", "aspx", "jsp", "do":
			seg = seg[:i]
		}
	}
	return strings.ReplaceAll(strings.ToLower(seg), "-", "_")
}

// verbs are words with which the segment that says what is done begins.
var verbs = func() map[string]bool {
	words := map[string]bool{}
	for w := range strings.FieldsSeq(`
		accept activate add apply approve archive assign associate attach ban block build bulk cancel change
		charge check clear clone close comment complete confirm convert copy create deactivate delete deny deploy
		destroy detach disable disconnect dismiss download duplicate edit enable execute expire export extend
		finish flush force generate grant hide impersonate import install invite issue join kick leave link
		lock login logout make mark mass merge migrate move new open pause ping preview print process
		promote provision publish purge reactivate rebuild reboot recalculate refresh refund regenerate register
		reindex reject release reload remove rename renew reopen reorder repair replace reset resend resize
		resolve restart restore resume retry return revoke rollback rotate run save schedule_now search select send
		set shutdown sign sort start stop submit subscribe suspend switch sync synchronize terminate test toggle
		transfer trigger unassign unban unblock undelete unhide uninstall unlink unlock unpublish unregister
		unsubscribe unsuspend update upgrade upload validate verify void withdraw action`) {
		words[w] = true
	}
	return words
}()

// isVerb reports whether a segment says what is done. behindID says that a
// thing was named before it, beforeID that one follows at once.
func isVerb(seg string, behindID, beforeID bool) bool {
	first, rest, _ := strings.Cut(seg, "_")
	switch {
	case !verbs[first]:
		return false
	case rest == "":
		return behindID || !beforeID || !isNounToo(seg) // /issue/{id}, but /delete/{id}
	default:
		return behindID || !isPlural(seg) // /server/{id}/import_zones, but /add_ons
	}
}

// isNounToo reports whether a verb is as often the name of a thing.
func isNounToo(seg string) bool {
	switch seg {
	case "action", "build", "charge", "check", "export", "import", "invite", "issue", "link", "process", "release", "run", "test", "transfer":
		return true
	}
	return false
}

func endsInWildcard(segs []string, i int) bool {
	return i+1 < len(segs) && segs[i+1] != "" && isWildcard(segs[i+1])
}

// isForm reports whether GET of this verb shows the form for it.
func isForm(verb string) bool {
	switch verb {
	case "create", "new", "add", "edit", "update", "delete", "remove", "import", "change", "login", "register":
		return true
	}
	return false
}

// isPlural reports whether a noun names several things.
func isPlural(noun string) bool {
	if !strings.HasSuffix(noun, "s") || strings.HasSuffix(noun, "ss") || strings.HasSuffix(noun, "us") || strings.HasSuffix(noun, "is") {
		return false
	}
	return !strings.HasSuffix(noun, "settings") && !strings.HasSuffix(noun, "news")
}

// isSingle reports whether there is one of a thing only, so that it can't be made.
func isSingle(noun string) bool {
	for _, one := range []string{"settings", "preferences", "profile", "config", "configuration"} {
		if noun == one || strings.HasSuffix(noun, "_"+one) {
			return true
		}
	}
	return false
}

// pathOf is the path of a URL that has been recorded.
func pathOf(recorded string) string {
	if i := strings.IndexByte(recorded, ':'); i >= 0 && strings.HasPrefix(recorded[i:], "://") {
		recorded = recorded[i+3:]
		if i = strings.IndexByte(recorded, '/'); i < 0 {
			return ""
		}
		recorded = recorded[i:]
	}
	recorded, _, _ = strings.Cut(recorded, "?")
	recorded, _, _ = strings.Cut(recorded, "#")
	return recorded
}

// slashesOf is how many slashes stand between the segments of a route, or -1 if
// its last segment stands for any number of them.
func slashesOf(route string) int {
	route = strings.Trim(strings.TrimSuffix(route, "{$}"), "/")
	last := route[strings.LastIndexByte(route, '/')+1:]
	if last == "" || last[0] == '*' || strings.HasSuffix(last, "...}") {
		return -1
	}
	return strings.Count(route, "/")
}

// resourceID is the segment of a path at the place of the route's segment that
// names the resource. What the path has before the route is where the router is
// mounted.
func (a *act) resourceID(path string) string {
	path = strings.Trim(path, "/")
	skip := a.id
	if a.slashes >= 0 {
		skip += max(0, strings.Count(path, "/")-a.slashes)
	}
	for ; skip > 0; skip-- {
		i := strings.IndexByte(path, '/')
		if i < 0 {
			return ""
		}
		path = path[i+1:]
	}
	if i := strings.IndexByte(path, '/'); i >= 0 {
		path = path[:i]
	}
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	if id, err := url.PathUnescape(path); err == nil {
		return id
	}
	return path
}

// routeOfPath makes a route of a path: segments that hold a digit, or are no
// word of a URL, stand for values.
func routeOfPath(path string) string {
	segs := strings.Split(strings.Trim(path, "/"), "/")
	for i, seg := range segs {
		if seg == redacted || seg != "" && mount(seg) == "" && !isName(seg) {
			segs[i] = "{id}"
		}
	}
	return "/" + strings.Join(segs, "/")
}

func isName(seg string) bool {
	for i := range len(seg) {
		c := seg[i]
		if !isLower(c) && !isUpper(c) && c != '-' && c != '_' && (c != '.' || i == 0) {
			return false
		}
	}
	return len(seg) <= 40
}

// SetAction says what the request does, a noun and a verb: "clients.delete".
// Without it the route tells (docs/acts.md).
func (r Recording) SetAction(action string) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) {
		e.Action = m.bounded(e, fieldAction, action)
	})
}

// SetResource says what the request does it to. What is empty of it is read off
// the route: the id of what was just made, or its name, is enough.
func (r Recording) SetResource(res adminsessions.Resource) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) { m.setResource(e, res) })
}

func (m *middleware) setResource(e *adminsessions.Event, res adminsessions.Resource) {
	e.Resource = adminsessions.Resource{
		Type: m.bounded(e, fieldResourceType, res.Type),
		ID:   m.bounded(e, fieldResourceID, m.redaction.Text(res.ID)),
		Name: m.bounded(e, fieldResourceName, m.redaction.Text(res.Name)),
	}
}

// SetOutcome says whether it was done, where the status of the answer does not:
// a form that is shown again with 200, because something was wrong in it.
func (r Recording) SetOutcome(o adminsessions.Outcome) bool {
	return r.update(func(m *middleware, e *adminsessions.Event) {
		e.Outcome = adminsessions.Outcome(m.bounded(e, fieldOutcome, string(o)))
	})
}

// SetAction is [Recording.SetAction] for the request to which ctx belongs.
func SetAction(ctx context.Context, action string) bool {
	return FromContext(ctx).noteSpan(ctx).SetAction(action)
}

// SetResource is [Recording.SetResource] for the request to which ctx belongs.
func SetResource(ctx context.Context, res adminsessions.Resource) bool {
	return FromContext(ctx).noteSpan(ctx).SetResource(res)
}

// SetOutcome is [Recording.SetOutcome] for the request to which ctx belongs.
func SetOutcome(ctx context.Context, o adminsessions.Outcome) bool {
	return FromContext(ctx).noteSpan(ctx).SetOutcome(o)
}
