package trail

import (
	"net/netip"

	"github.com/adminsessions/adminsessions"
)

// Filter chooses events of the trail. The zero Filter chooses what administrators
// have done: all events but looks at the trail and the trail's own (type TRAIL).
type Filter struct {
	// Only chooses events that meet a condition of every field that is set. The
	// trail's own events are among them only if Only.Types says so.
	Only Conditions
	// Not leaves out events that meet any of its conditions.
	Not Conditions

	// Hide leaves out the events of this administrator: those with the same id,
	// or the same e-mail address, whatever its case. Empty fields hide nobody.
	Hide adminsessions.User

	// Looks asks for looks at the trail, too.
	Looks bool
}

// Conditions are what an event can be chosen by. Several values of one field are
// joined by "or", those of Texts by "and". Unless something else is said, a value
// is compared whole, and letter by letter.
type Conditions struct {
	// Texts are contained in the part of the line for people, whatever the case.
	// Values are searched as they were, not as they are escaped.
	Texts []string

	Types   []adminsessions.Type
	Methods []string
	// Statuses are codes ("404") and classes ("4xx").
	Statuses []string

	// Users are ids, or e-mail addresses, whatever their case. One without an "@"
	// also means the part of an e-mail address before that, a full name and each
	// word of one, whatever the case.
	Users []string
	// Addresses are networks, and single addresses.
	Addresses []netip.Prefix
	// Sessions are hashes of sessions.
	Sessions []string
	// Requests are ids of requests. What a request has caused is met by its id,
	// too.
	Requests []string

	// Actions are actions ("clients.delete"), all that begin with a noun
	// ("clients.") and all that end in a verb (".delete"). A word without a dot is
	// an action or a verb.
	Actions []string
	// Resources are objects by their type, their id or both. Names are not looked
	// at.
	Resources []adminsessions.Resource
	Outcomes  []adminsessions.Outcome

	// Actors are kinds of actors. Where an event does not say which, somebody who
	// is signed in is a user.
	Actors      []adminsessions.ActorType
	Credentials []string
	Tenants     []string
	Countries   []string

	// URLs and Reasons are contained in the URL and in the reason, whatever the
	// case.
	URLs, Reasons []string
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
