package export

import (
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// User is an administrator as JSON.
type User struct {
	ID       string `json:"id,omitempty"`
	FullName string `json:"full_name,omitempty"`
	Email    string `json:"email,omitempty"`
}

// Presence is an administrator who was active, as JSON.
type Presence struct {
	User
	Address  string    `json:"client_address,omitempty"`
	LastSeen time.Time `json:"last_seen"`
}

// Presences are those who were active as JSON.
func Presences(online []trail.Presence) []Presence {
	list := make([]Presence, len(online))
	for i, p := range online {
		list[i] = Presence{User(p.User), p.Address, p.LastSeen.UTC()}
	}
	return list
}

// Session is a session as JSON.
type Session struct {
	ID        string               `json:"session"`
	Admins    []User               `json:"admins"`
	Addresses []string             `json:"client_addresses"`
	Agents    []string             `json:"user_agents"`
	Types     []adminsessions.Type `json:"types"`
	First     time.Time            `json:"first_seen"`
	Last      time.Time            `json:"last_seen"`
	Requests  int64                `json:"requests"`
}

// Sessions are sessions as JSON.
func Sessions(found []trail.Session) []Session {
	list := make([]Session, len(found))
	for i, s := range found {
		admins := make([]User, len(s.Admins))
		for j, u := range s.Admins {
			admins[j] = User(u)
		}
		list[i] = Session{s.ID, admins, notNil(s.Addresses), notNil(s.Agents), notNil(s.Types), s.First.UTC(), s.Last.UTC(), s.Requests}
	}
	return list
}

// notNil is the list as JSON should show it: [], not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
