package viewer

import (
	"cmp"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// column is a column of the table, by its name in URLs, translations and style.
type column string

const (
	byTime     column = "time"
	byAdmin    column = "admin"
	byAddress  column = "ip"
	byType     column = "type"
	byMethod   column = "method"
	byAction   column = "action"
	byURL      column = "url"
	byStatus   column = "status"
	byDuration column = "duration"
)

// columns in the order of the table.
var columns = []column{byTime, byAdmin, byAddress, byType, byAction, byMethod, byURL, byStatus, byDuration}

// startsDescending reports whether the first click on the column's header puts
// the largest first: there the largest is what one looks for.
func (c column) startsDescending() bool {
	return c == byTime || c == byStatus || c == byDuration
}

// compare orders events by the column, the smallest first. Events without a
// value are the smallest.
func (c column) compare(a, b *trail.Event) int {
	switch c {
	case byAdmin:
		return cmp.Or(
			cmp.Compare(strings.ToLower(nameOf(a.User)), strings.ToLower(nameOf(b.User))),
			cmp.Compare(a.User.Email, b.User.Email))
	case byAddress:
		// netip orders IPv4 before IPv6, and 10.0.0.9 before 10.0.0.10.
		return a.ClientAddress.Compare(b.ClientAddress)
	case byType:
		return cmp.Compare(a.Type, b.Type)
	case byMethod:
		return cmp.Compare(methodOf(a), methodOf(b))
	case byAction:
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource.Type, b.Resource.Type), cmp.Compare(a.Resource.ID, b.Resource.ID))
	case byURL:
		return cmp.Compare(a.URL, b.URL)
	case byStatus:
		return cmp.Compare(a.StatusCode, b.StatusCode)
	case byDuration:
		return cmp.Compare(a.Duration, b.Duration)
	default:
		return a.Cursor().Compare(b.Cursor())
	}
}

// nameOf is the name under which an account is shown.
func nameOf(u adminsessions.User) string { return cmp.Or(u.FullName, u.Email, u.ID) }

// methodOf is the method as it was sent.
func methodOf(e *trail.Event) string { return cmp.Or(e.SentMethod, e.Method) }

// who is the value by which an event's administrator is filtered.
func who(u adminsessions.User) string { return cmp.Or(u.Email, u.ID) }
