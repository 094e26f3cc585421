package viewer

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// chooses is what a filter means, in plain Go: it knows nothing of LogQL, nor of
// how an event stands in a line.
func chooses(f *trail.Filter, e *adminsessions.Event) bool {
	if e.Type == adminsessions.Trail && !slices.Contains(f.Only.Types, adminsessions.Trail) {
		return false
	}
	only, not := conditions(&f.Only, e), conditions(&f.Not, e)
	for _, c := range only {
		if c.set && !c.met {
			return false
		}
	}
	for _, t := range f.Only.Texts {
		if !foldContains(readable(e), t) {
			return false
		}
	}
	for _, c := range not {
		if c.met {
			return false
		}
	}
	return !slices.ContainsFunc(f.Not.Texts, func(t string) bool { return foldContains(readable(e), t) })
}

type condition struct{ set, met bool }

// conditions are the conditions on fields but the texts: whether each is set, and
// whether one of its values is met.
func conditions(c *trail.Conditions, e *adminsessions.Event) []condition {
	whole := func(values []string, value string) condition {
		return condition{len(values) > 0, value != "" && slices.Contains(values, value)}
	}
	contained := func(values []string, value string) condition {
		return condition{len(values) > 0, slices.ContainsFunc(values, func(v string) bool { return foldContains(value, v) })}
	}
	status := ""
	if e.StatusCode > 0 {
		status = strconv.Itoa(e.StatusCode)
	}
	signedIn := e.User.Email != "" || e.User.ID != ""
	return []condition{
		{len(c.Types) > 0, slices.Contains(c.Types, e.Type)},
		whole(c.Methods, e.Method),
		{len(c.Statuses) > 0, slices.ContainsFunc(c.Statuses, func(s string) bool {
			return status != "" && (s == status || strings.HasSuffix(s, "xx") && s[0] == status[0])
		})},
		{len(c.Users) > 0, slices.ContainsFunc(c.Users, func(u string) bool { return isUser(u, e.User) })},
		{len(c.Addresses) > 0, e.ClientAddress.IsValid() && slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return p.Contains(e.ClientAddress) })},
		whole(c.Sessions, e.SessionID),
		{len(c.Requests) > 0, slices.Contains(c.Requests, e.RequestID) || e.Cause != "" && slices.Contains(c.Requests, e.Cause)},
		{len(c.Actions) > 0, slices.ContainsFunc(c.Actions, func(a string) bool { return isAction(a, e.Action) })},
		{len(c.Resources) > 0, slices.ContainsFunc(c.Resources, func(r adminsessions.Resource) bool {
			return (r.Type == "" || r.Type == e.Resource.Type) && (r.ID == "" || r.ID == e.Resource.ID)
		})},
		{len(c.Outcomes) > 0, slices.Contains(c.Outcomes, e.Outcome)},
		{len(c.Actors) > 0, slices.Contains(c.Actors, e.Actor.Type) || e.Actor.Type == "" && signedIn && slices.Contains(c.Actors, adminsessions.ActorUser)},
		whole(c.Credentials, e.Actor.CredentialID),
		whole(c.Tenants, e.Actor.TenantID),
		whole(c.Countries, e.Geo.Country),
		contained(c.URLs, e.URL),
		contained(c.Reasons, e.Reason),
	}
}

func isUser(u string, user adminsessions.User) bool {
	if u == user.ID || strings.EqualFold(u, user.Email) {
		return true
	}
	if strings.Contains(u, "@") {
		return false
	}
	local, _, at := strings.Cut(user.Email, "@")
	return at && strings.EqualFold(u, local) || hasWords(user.FullName, u)
}

// hasWords reports whether some words are among those of a name, side by side.
func hasWords(name, words string) bool {
	have := strings.Split(name, " ")
	for i := range have {
		for j := i + 1; j <= len(have); j++ {
			if strings.EqualFold(strings.Join(have[i:j], " "), words) {
				return true
			}
		}
	}
	return false
}

func isAction(want, action string) bool {
	switch {
	case strings.HasSuffix(want, "."):
		return strings.HasPrefix(action, want)
	case strings.HasPrefix(want, "."):
		return strings.HasSuffix(action, want)
	case !strings.Contains(want, "."):
		return action == want || strings.HasSuffix(action, "."+want)
	}
	return action == want
}

// readable is what people read of an event: keys, and values as they were.
func readable(e *adminsessions.Event) string {
	return people(apiEvent{Line: e.Line()})
}

func foldContains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
