package instrumentation

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

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
	// where is the hash of the route; if the router named none and answered
	// all the same, of the path.
	where uint64
}

func kindOf(e *adminsessions.Event, seed maphash.Seed) kind {
	where := e.Route
	if where == "" && e.StatusCode < 400 {
		where = pathOf(e.URL)
	}
	return kind{
		stage: e.Stage, typ: e.Type, method: e.Method, status: e.StatusCode,
		signIn: e.SignIn.Outcome, action: e.Action, outcome: e.Outcome, where: maphash.String(seed, where),
	}
}

// own returns a kind that holds on to no part of a request.
func (k kind) own() kind {
	k.method, k.action = strings.Clone(k.method), strings.Clone(k.action)
	k.signIn = adminsessions.SignInOutcome(strings.Clone(string(k.signIn)))
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

// otherCells count requests whose addresses are not told apart.
type otherCells map[cellKey]*cell

// cell finds or makes the cell of a kind. Routes are not told apart in it, and
// nothing at all where there is no room for another one.
func (o otherCells) cell(k kind) *cell {
	k.action, k.where = "", 0
	key := cellKey{others: true, kind: k}
	if o[key] == nil && len(o) >= maxFoldOthers {
		key.kind = kind{stage: k.stage}
	}
	c := o[key]
	if c == nil {
		key.kind = key.kind.own()
		c = &cell{key: key}
		o[key] = c
	}
	return c
}

// cutURL is the URL's name in Event.Cut.
const cutURL = "url"

// texts are the strings that folded requests may have in common.
func texts(e *adminsessions.Event) [22]*string {
	return [...]*string{
		(*string)(&e.Type), &e.Method, &e.SentMethod, &e.Route, &e.UserAgent, &e.SessionID,
		&e.SignIn.Name, (*string)(&e.SignIn.Outcome), &e.Action, (*string)(&e.Outcome),
		&e.Resource.Type, &e.Resource.ID, &e.Resource.Name,
		&e.Actor.CredentialID, &e.Actor.TenantID, &e.Reason, &e.Cause,
		&e.Geo.Country, &e.Geo.Locality, &e.Geo.Network,
		&e.ErrorType, &e.Note,
	}
}

// add counts a request. e is the caller's again afterwards.
func (c *cell) add(e *adminsessions.Event) {
	one := cell{key: c.key, n: 1, addresses: 1, event: adminsessions.Event{
		Time: e.Time, Since: e.Time, Stage: e.Stage, ClientAddress: e.ClientAddress,
		URL: e.URL, StatusCode: e.StatusCode, Duration: e.Duration,
	}}
	from, to := texts(e), texts(&one.event)
	for i := range to {
		*to[i] = *from[i]
	}
	if c.n == 0 { // what is kept must not hold on to the request it is a part of
		one.event.URL = strings.Clone(e.URL)
		for _, text := range to {
			*text = strings.Clone(*text)
		}
		if slices.Contains(e.Cut, cutURL) {
			one.event.Cut = []string{cutURL}
		}
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
	if a.StatusCode != b.StatusCode {
		a.StatusCode = 0
	}
	mine, others := texts(a), texts(b)
	for i := range mine {
		if *mine[i] != *others[i] {
			*mine[i] = ""
		}
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
