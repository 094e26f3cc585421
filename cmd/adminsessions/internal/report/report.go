// Package report sums up a period of the trail for whoever reviews it: who did
// what, what was not allowed, where from, and whether anything is missing.
package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Report is what happened in a period. Lists are bounded; More counts what they
// leave out.
type Report struct {
	Period string    `json:"period"` // day, week or month
	From   time.Time `json:"from"`
	To     time.Time `json:"to"` // not included
	Made   time.Time `json:"made"`

	Events  int64 `json:"events"`  // requests that have ended, and acts without a request
	Changes int64 `json:"changes"` // those that could change something and did
	Denied  int64 `json:"denied"`
	Failed  int64 `json:"failed"`
	Errors  int64 `json:"errors"`

	Admins       []Admin      `json:"admins"`
	Acts         []Act        `json:"acts"`
	Refusals     []Incident   `json:"refusals"` // what was denied
	SignIns      []SignIns    `json:"failed_sign_ins"`
	NewAddresses []NewAddress `json:"new_addresses"` // not seen of the administrator in the 30 days before
	Reasons      []Incident   `json:"reasons"`       // acts for which a reason was given
	Trail        []Incident   `json:"trail"`         // what happened to the trail itself
	Logs         []Log        `json:"logs"`
	Missing      int64        `json:"missing"` // events that have a number and are not there
	Doubled      int64        `json:"doubled"` // entries more than numbers
	More         More         `json:"more"`

	// Unknown says why something could not be told.
	Unknown []string `json:"unknown,omitempty"`
}

// More counts what the lists leave out.
type More struct {
	Admins, Acts, Refusals, SignIns, NewAddresses, Reasons, Trail int
}

// Admin is what one administrator did.
type Admin struct {
	ID        string    `json:"id,omitempty"`
	Name      string    `json:"name,omitempty"`
	Email     string    `json:"email,omitempty"`
	Actor     string    `json:"actor,omitempty"`
	Events    int64     `json:"events"`
	Changes   int64     `json:"changes"`
	Denied    int64     `json:"denied"`
	Errors    int64     `json:"errors"`
	Addresses []string  `json:"addresses"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// Act is how often an act was done.
type Act struct {
	Action  string `json:"action"`
	Success int64  `json:"success"`
	Denied  int64  `json:"denied"`
	Failure int64  `json:"failure"`
	Error   int64  `json:"error"`
}

// Total is how often it was tried.
func (a *Act) Total() int64 { return a.Success + a.Denied + a.Failure + a.Error }

// Incident is one event that a reviewer wants to see.
type Incident struct {
	Time    time.Time `json:"time"`
	Who     string    `json:"who"`
	Address string    `json:"address,omitempty"`
	What    string    `json:"what"`
	Text    string    `json:"text,omitempty"` // the reason, or a note
	Request string    `json:"request,omitempty"`
}

// SignIns are attempts to sign in that failed.
type SignIns struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Times   int64     `json:"times"`
	Last    time.Time `json:"last"`
}

// NewAddress is an address that an administrator had not come from before.
type NewAddress struct {
	Who     string    `json:"who"`
	Address string    `json:"address"`
	Country string    `json:"country,omitempty"`
	Network string    `json:"network,omitempty"`
	First   time.Time `json:"first"`
	Events  int64     `json:"events"`
}

// Log is one log's completeness in the period.
type Log struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	ID       string `json:"log_id"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Events   int64  `json:"events"`
	Missing  int64  `json:"missing"`
}

const (
	maxListed = 50
	// maxKept bounds what is kept of anything while the period is read.
	maxKept = 20_000
	// before is how long an address must not have been seen to be new.
	before = 30 * 24 * time.Hour
)

// Options say what is reported.
type Options struct {
	Store    *trail.Store
	Filter   trail.Filter // of requests and acts
	Trail    trail.Filter // of the trail's own events
	Period   string
	Window   trail.Window
	Now      time.Time
	Progress func(done float64)
}

// Make reads the period once and makes its report. It holds no events.
func Make(ctx context.Context, o Options) (*Report, error) {
	m := &maker{
		r:      &Report{Period: o.Period, From: o.Window.From, To: o.Window.To, Made: o.Now},
		admins: map[string]*admin{}, acts: map[string]*Act{}, signIns: map[[2]string]*SignIns{}, pairs: map[[2]string]*NewAddress{},
	}
	walk := trail.Walk{Filter: o.Filter, Window: o.Window, Forward: true, Batch: trail.MaxBatch / 2,
		Progress: func(done float64, _ trail.Cursor) { o.Progress(done) }}
	for e, err := range o.Store.Walk(ctx, walk) {
		if err != nil {
			return nil, err
		}
		m.add(&e)
	}
	for e, err := range o.Store.Walk(ctx, trail.Walk{Filter: o.Trail, Window: o.Window, Forward: true, Batch: 500}) {
		if err != nil {
			return nil, err
		}
		m.addTrail(&e)
	}
	known, err := o.Store.Pairs(ctx, trail.Window{From: o.Window.From.Add(-before), To: o.Window.From})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		m.unknown("which addresses are new: %v", err)
	}
	logs, err := o.Store.Numbers(ctx, o.Window)
	if err != nil {
		return nil, err
	}
	return m.end(known, logs), nil
}

type admin struct {
	Admin
	addresses map[string]bool
}

type maker struct {
	r       *Report
	admins  map[string]*admin
	acts    map[string]*Act
	signIns map[[2]string]*SignIns
	pairs   map[[2]string]*NewAddress
	full    bool
}

func (m *maker) unknown(format string, args ...any) {
	m.r.Unknown = append(m.r.Unknown, fmt.Sprintf(format, args...))
}

// keep returns what is kept under a key, made if there is room.
func keep[K comparable, V any](m *maker, kept map[K]*V, key K) *V {
	v := kept[key]
	if v == nil {
		v = new(V)
		if len(kept) >= maxKept {
			m.full = true
			return v
		}
		kept[key] = v
	}
	return v
}

func (m *maker) add(e *trail.Event) {
	if e.Unreadable || e.InProgress() {
		return
	}
	times := int64(max(1, e.Count))
	m.r.Events += times
	outcome := cmp.Or(e.Outcome, e.DefaultOutcome())
	changes := outcome == adminsessions.OutcomeSuccess && !reads(e.Method)
	if changes {
		m.r.Changes += times
	}
	act := keep(m, m.acts, cmp.Or(e.Action, "-"))
	act.Action = cmp.Or(e.Action, "-")
	switch outcome {
	case adminsessions.OutcomeDenied:
		m.r.Denied += times
		act.Denied += times
		m.refused(e)
	case adminsessions.OutcomeFailure:
		m.r.Failed += times
		act.Failure += times
	case adminsessions.OutcomeError:
		m.r.Errors += times
		act.Error += times
	default:
		act.Success += times
	}
	if e.SignIn.Outcome == adminsessions.SignInFailure {
		s := keep(m, m.signIns, [2]string{e.SignIn.Name, addressOf(e)})
		s.Name, s.Address, s.Last, s.Times = e.SignIn.Name, addressOf(e), e.Time, s.Times+times
	}
	if e.Reason != "" {
		m.list(&m.r.Reasons, &m.r.More.Reasons, incidentOf(e, e.Reason))
	}
	m.person(e, times, changes, outcome)
}

// reads reports whether requests of the method change nothing.
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

func (m *maker) refused(e *trail.Event) {
	if !e.Anonymous() {
		m.list(&m.r.Refusals, &m.r.More.Refusals, incidentOf(e, ""))
	}
}

// list appends to a list as long as it has room, and counts the rest.
func (m *maker) list(to *[]Incident, more *int, i Incident) {
	if len(*to) >= maxListed {
		*more++
		return
	}
	*to = append(*to, i)
}

func (m *maker) person(e *trail.Event, times int64, changes bool, outcome adminsessions.Outcome) {
	who := cmp.Or(e.User.Email, e.User.ID)
	if who == "" {
		return
	}
	a := keep(m, m.admins, who)
	if a.addresses == nil {
		a.addresses, a.First = map[string]bool{}, e.Time
	}
	a.ID, a.Email, a.Name, a.Actor = cmp.Or(e.User.ID, a.ID), cmp.Or(e.User.Email, a.Email), cmp.Or(e.User.FullName, a.Name), cmp.Or(string(e.Actor.Type), a.Actor)
	a.Last = e.Time
	a.Events += times
	if changes {
		a.Changes += times
	}
	switch outcome {
	case adminsessions.OutcomeDenied:
		a.Denied += times
	case adminsessions.OutcomeError:
		a.Errors += times
	case adminsessions.OutcomeSuccess, adminsessions.OutcomeFailure:
	}
	if !e.ClientAddress.IsValid() {
		return
	}
	if len(a.addresses) < 1000 {
		a.addresses[addressOf(e)] = true
	}
	p := keep(m, m.pairs, [2]string{who, addressOf(e)})
	if p.Events == 0 {
		p.Who, p.Address, p.First = nameOf(e.User), addressOf(e), e.Time
	}
	p.Country, p.Network = cmp.Or(e.Geo.Country, p.Country), cmp.Or(e.Geo.Network, p.Network)
	p.Events += times
}

func (m *maker) addTrail(e *trail.Event) {
	if e.Unreadable || e.Type != adminsessions.Trail || e.Action == "trail.checkpoint" {
		return
	}
	m.list(&m.r.Trail, &m.r.More.Trail, incidentOf(e, e.Note))
}

func incidentOf(e *trail.Event, text string) Incident {
	what := e.Action
	if o := e.Resource; o.Type != "" || o.ID != "" {
		what += " " + strings.TrimSpace(o.Type+" "+o.ID+" "+o.Name)
	}
	if what == "" {
		what = strings.TrimSpace(e.Method + " " + e.URL)
	}
	return Incident{Time: e.Time, Who: nameOf(e.User), Address: addressOf(e), What: what, Text: strings.ReplaceAll(text, "\n", "; "), Request: e.RequestID}
}

// nameOf is the name under which an account is shown.
func nameOf(u adminsessions.User) string {
	name := cmp.Or(u.FullName, u.Email, u.ID, "–")
	if u.Email != "" && u.FullName != "" {
		name += " <" + u.Email + ">"
	}
	return name
}

func addressOf(e *trail.Event) string {
	if !e.ClientAddress.IsValid() {
		return ""
	}
	return e.ClientAddress.String()
}

// end makes the lists. known is nil if it is not known which addresses are new.
func (m *maker) end(known map[[2]string]bool, logs []trail.LogNumbers) *Report {
	r := m.r
	if m.full {
		m.unknown("there are more than %d administrators, acts, addresses or names tried: the lists are not whole, the sums are", maxKept)
	}
	for _, a := range m.admins {
		a.Addresses = slices.Sorted(maps.Keys(a.addresses))
		r.Admins = append(r.Admins, a.Admin)
	}
	r.Admins, r.More.Admins = top(r.Admins, func(a, b Admin) int {
		return cmp.Or(cmp.Compare(b.Changes, a.Changes), cmp.Compare(b.Events, a.Events), cmp.Compare(a.Email+a.ID, b.Email+b.ID))
	})
	for _, a := range m.acts {
		r.Acts = append(r.Acts, *a)
	}
	r.Acts, r.More.Acts = top(r.Acts, func(a, b Act) int { return cmp.Or(cmp.Compare(b.Total(), a.Total()), cmp.Compare(a.Action, b.Action)) })
	for _, s := range m.signIns {
		r.SignIns = append(r.SignIns, *s)
	}
	r.SignIns, r.More.SignIns = top(r.SignIns, func(a, b SignIns) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	})
	if known != nil {
		for pair, p := range m.pairs {
			if !known[pair] {
				r.NewAddresses = append(r.NewAddresses, *p)
			}
		}
	}
	r.NewAddresses, r.More.NewAddresses = top(r.NewAddresses, func(a, b NewAddress) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Address, b.Address))
	})
	for i := range logs {
		n := &logs[i]
		missing := n.Missing()
		r.Logs = append(r.Logs, Log{n.Service, n.Instance, n.Log, n.First, n.Last, n.Events, missing})
		r.Missing += max(0, missing)
		r.Doubled += max(0, -missing)
	}
	return r
}

// top sorts a list and cuts it to what is listed.
func top[T any](list []T, compare func(a, b T) int) ([]T, int) {
	slices.SortFunc(list, compare)
	n := min(len(list), maxListed)
	return list[:n:n], len(list) - n
}
