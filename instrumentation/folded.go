package instrumentation

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/adminsessions/adminsessions"
)

// kind is what requests that are folded into one record have in common, beside
// their address. Whoever sends them can't make up many.
type kind struct {
	stage   adminsessions.Stage
	typ     adminsessions.Type
	method  string
	status  int
	signIn  adminsessions.SignInOutcome
	action  string
	outcome adminsessions.Outcome
	// where is the route; where the router named none and answered all the
	// same, the path.
	where string
}

func kindOf(e *adminsessions.Event) kind {
	k := kind{
		stage: e.Stage, typ: e.Type, method: e.Method, status: e.StatusCode,
		signIn: e.SignIn.Outcome, action: e.Action, outcome: e.Outcome, where: e.Route,
	}
	if k.where == "" && e.StatusCode < 400 {
		k.where = pathOf(e.URL)
	}
	return k
}

// networkOf is what is counted as one address: of IPv6 a network of 64 bits,
// in which one host can choose its address as it likes.
func networkOf(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a.WithZone(""), networkBits).Masked().Addr()
}

const networkBits = 64

// cellKey says what a cell counts. With others, that is requests whose
// addresses are not told apart.
type cellKey struct {
	others  bool
	address netip.Addr
	kind    kind
}

// cell counts folded requests. Its event has what all of them have in common,
// the URL of the first, the times of the first and the last, and the longest
// duration.
type cell struct {
	key       cellKey
	own       int // recorded one by one beside, in this window
	n         int
	addresses int  // at least as many, in a cell without an address
	urls      bool // there are different URLs
	event     adminsessions.Event
}

// cutURL is the URL's name in Event.Cut.
const cutURL = "url"

// add counts a request. e is the caller's again afterwards.
func (c *cell) add(e *adminsessions.Event) {
	one := cell{key: c.key, n: 1, addresses: 1, event: adminsessions.Event{
		Time: e.Time, Since: e.Time, Stage: e.Stage, Type: e.Type, SignIn: e.SignIn, ClientAddress: e.ClientAddress,
		Method: e.Method, SentMethod: e.SentMethod, URL: e.URL, Route: e.Route, StatusCode: e.StatusCode,
		Action: e.Action, Resource: e.Resource, Outcome: e.Outcome,
		Duration: e.Duration, UserAgent: e.UserAgent, SessionID: e.SessionID, ErrorType: e.ErrorType, Note: e.Note, Reason: e.Reason,
		Credential: e.Credential, Tenant: e.Tenant,
	}}
	if c.n == 0 && slices.Contains(e.Cut, cutURL) {
		one.event.Cut = []string{cutURL}
	}
	c.merge(&one)
}

// merge adds what another cell has counted.
func (c *cell) merge(o *cell) {
	if c.n == 0 {
		c.n, c.addresses, c.urls, c.event = o.n, o.addresses, o.urls, o.event
		return
	}
	c.n += o.n
	c.addresses = max(c.addresses, o.addresses)
	a, b := &c.event, &o.event
	c.urls = c.urls || o.urls || a.URL != b.URL
	if b.Since.Before(a.Since) {
		a.Since = b.Since
	}
	if b.Time.After(a.Time) {
		a.Time = b.Time
	}
	a.Duration = max(a.Duration, b.Duration)
	if a.ClientAddress != b.ClientAddress {
		a.ClientAddress = c.key.address // the network's; none in a cell without an address
	}
	common(&a.Type, b.Type)
	common(&a.SignIn.Name, b.SignIn.Name)
	common(&a.SignIn.Outcome, b.SignIn.Outcome)
	common(&a.Action, b.Action)
	common(&a.Resource, b.Resource)
	common(&a.Outcome, b.Outcome)
	common(&a.Method, b.Method)
	common(&a.SentMethod, b.SentMethod)
	common(&a.Route, b.Route)
	common(&a.StatusCode, b.StatusCode)
	common(&a.UserAgent, b.UserAgent)
	common(&a.SessionID, b.SessionID)
	common(&a.ErrorType, b.ErrorType)
	common(&a.Note, b.Note)
	common(&a.Reason, b.Reason)
	common(&a.Credential, b.Credential)
	common(&a.Tenant, b.Tenant)
}

// common keeps a value only if the other one is the same.
func common[T comparable](a *T, b T) {
	if *a != b {
		var none T
		*a = none
	}
}

// folded is the record of what the cell has counted.
func (c *cell) folded() adminsessions.Event {
	e := c.event
	e.Count = c.n
	note := fmt.Sprintf("%d more like this", c.n)
	switch {
	case c.key.others && c.addresses > 1:
		note += fmt.Sprintf(" from %d addresses or more", c.addresses)
	case !c.key.others && e.ClientAddress.Is6() && e.ClientAddress == c.key.address:
		note += fmt.Sprintf(" from %s", netip.PrefixFrom(c.key.address, networkBits))
	}
	if c.urls {
		note += "; the URL is the first one's"
	}
	if e.Note != "" {
		note += "\n" + e.Note
	}
	e.Note = note
	return e
}
