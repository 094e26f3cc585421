package trail

import (
	"github.com/adminsessions/adminsessions"
)

// Scope is what belongs to the trail at all, whatever the filter: the
// applications whose events are read.
type Scope struct {
	// Services and Environments are values of the labels service_name and
	// deployment_environment_name. None means all.
	Services, Environments []string
}

// Filter chooses events of the trail. The zero Filter chooses every finished
// request. Fields are joined by "and", several values of one field by "or".
type Filter struct {
	// Search is text that the event's sentence contains, whatever the case.
	Search string

	Interfaces    []adminsessions.Type
	Methods       []string
	StatusClasses []int // 2 means 200 to 299

	// User is an e-mail address or an id, Address an IP address, Session the
	// hash of a session, each whole and exact.
	User, Address, Session string

	// Hide leaves out the events of this administrator: those with the same
	// id, or the same e-mail address. Empty fields hide nobody.
	Hide adminsessions.User

	// Stage is the stage of the events; empty means complete.
	Stage adminsessions.Stage
	// RequestIDs, if any, are the only requests wanted.
	RequestIDs []string
}
