package trail

import (
	"net/netip"

	"github.com/adminsessions/adminsessions"
)

// Filter chooses events of the trail. The zero Filter chooses all of them but
// looks at the trail. Fields are joined by "and", several values of one field by
// "or".
type Filter struct {
	// Search is text that the part of the line for people contains, whatever the
	// case. Values are searched as they were, not as they are escaped.
	Search string

	Types   []adminsessions.Type
	Methods []string
	// Statuses are codes ("404") and classes ("4xx").
	Statuses []string

	// User is an e-mail address, whatever its case, or an id, whole.
	User string
	// Addresses is a network, or one address.
	Addresses netip.Prefix
	// Session is the hash of a session, whole.
	Session string

	// Hide leaves out the events of this administrator: those with the same id,
	// or the same e-mail address, whatever its case. Empty fields hide nobody.
	Hide adminsessions.User

	// Looks asks for looks at the trail, too.
	Looks bool
}

// LookNote begins the note of each request by which somebody only looked at the
// trail. The page writes it.
const LookNote = "looked at the trail: "

// stage chooses requests by whether they have ended.
type stage int

const (
	anyStage         stage = iota
	ended                  // complete ones
	startedSignedIn        // the first of the two records of a request that goes on, of somebody who is signed in
	startedAnonymous       // … of somebody who is not
)
