package viewer

import (
	"cmp"
	"net/netip"
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
	byURL      column = "url"
	byStatus   column = "status"
	byDuration column = "duration"
)

// columns in the order of the table.
var columns = []column{byTime, byAdmin, byAddress, byType, byMethod, byURL, byStatus, byDuration}

// startsDescending reports whether the first click on the column's header puts
// the largest first: there the largest is what one looks for.
func (c column) startsDescending() bool {
	return c == byTime || c == byStatus || c == byDuration
}

// keys are the attributes that compare looks at.
func (c column) keys() []string {
	switch c {
	case byAdmin:
		return []string{adminsessions.KeyUserFullName, adminsessions.KeyUserEmail, adminsessions.KeyUserID}
	case byAddress:
		return []string{adminsessions.KeyClientAddress}
	case byType:
		return []string{adminsessions.KeyInterface}
	case byMethod:
		return []string{adminsessions.KeyMethod}
	case byURL:
		return []string{adminsessions.KeyURL}
	case byStatus:
		return []string{adminsessions.KeyStatusCode}
	case byDuration:
		return []string{adminsessions.KeyDuration}
	default:
		return nil
	}
}

// compare orders events by the column, the smallest first. Events without a
// value are the smallest.
func (c column) compare(a, b *trail.Event) int {
	switch c {
	case byAdmin:
		return cmp.Or(
			cmp.Compare(strings.ToLower(adminOf(a)), strings.ToLower(adminOf(b))),
			compareAttribute(adminsessions.KeyUserEmail, a, b))
	case byAddress:
		// netip orders IPv4 before IPv6, and 10.0.0.9 before 10.0.0.10.
		x, _ := netip.ParseAddr(a.Get(adminsessions.KeyClientAddress))
		y, _ := netip.ParseAddr(b.Get(adminsessions.KeyClientAddress))
		return cmp.Or(x.Compare(y), compareAttribute(adminsessions.KeyClientAddress, a, b))
	case byType:
		return compareAttribute(adminsessions.KeyInterface, a, b)
	case byMethod:
		return compareAttribute(adminsessions.KeyMethod, a, b)
	case byURL:
		return compareAttribute(adminsessions.KeyURL, a, b)
	case byStatus:
		return cmp.Compare(a.Status(), b.Status())
	case byDuration:
		x, _ := a.Duration()
		y, _ := b.Duration()
		return cmp.Compare(x, y)
	default:
		return a.Cursor().Compare(b.Cursor())
	}
}

func compareAttribute(key string, a, b *trail.Event) int {
	return cmp.Compare(a.Get(key), b.Get(key))
}

// adminOf is the name under which the event's administrator is shown.
func adminOf(e *trail.Event) string {
	return cmp.Or(e.Get(adminsessions.KeyUserFullName), e.Get(adminsessions.KeyUserEmail), e.Get(adminsessions.KeyUserID))
}
