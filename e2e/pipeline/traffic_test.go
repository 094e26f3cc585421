package pipeline

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// A source makes the events of one goroutine. Each has a request id of its own,
// by which it is found again.
type source struct {
	name string
	rnd  *rand.Rand
	n    int

	at   time.Time // of the next event, if not zero; else the clock's
	note string    // of the next event, if not empty

	attributes []attribute.KeyValue // of the next event

	signedIn bool // no event is nobody's
}

func newSource(name string) *source {
	return &source{name: name, rnd: rand.New(rand.NewPCG(uint64(len(name)), 1))}
}

var admins = []adminsessions.User{
	{ID: "1", FullName: "Anna Kowalska", Email: "anna@example.com"},
	{ID: "2", FullName: "Олена Ткач", Email: "olena@example.com"},
	{ID: "3", FullName: `Ben "root" O'Hara`, Email: "ben@example.com"},
	{}, // nobody is signed in
}

var requests = []struct {
	through       adminsessions.Type
	method, route string
}{
	{adminsessions.Web, "GET", "/admin/clients"},
	{adminsessions.API, "GET", "/admin/api/clients/{id}"},
	{adminsessions.API, "PUT", "/admin/api/clients/{id}"},
	{adminsessions.API, "DELETE", "/admin/api/invoices/{id}"},
	{adminsessions.Web, "POST", "/admin/login"},
}

var statuses = []int{200, 200, 200, 200, 302, 403, 404, 422, 500}

// next returns the next event. Sizes differ: most notes are short, a few have
// kilobytes.
func (s *source) next() *adminsessions.Event {
	s.n++
	r := requests[s.rnd.IntN(len(requests))]
	e := &adminsessions.Event{
		Time:          time.Now(),
		Stage:         adminsessions.Complete,
		RequestID:     fmt.Sprintf("%s-%d", s.name, s.n),
		Type:          r.through,
		User:          admins[s.rnd.IntN(len(admins))],
		ClientAddress: netip.AddrFrom4([4]byte{10, 2, byte(s.rnd.IntN(256)), byte(s.rnd.IntN(256))}),
		Method:        r.method,
		URL:           "https://demo.example" + strings.ReplaceAll(r.route, "{id}", fmt.Sprint(s.rnd.IntN(10_000))),
		Route:         r.route,
		StatusCode:    statuses[s.rnd.IntN(len(statuses))],
		Duration:      time.Duration(s.rnd.IntN(1e9)),
		UserAgent:     "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		SessionID:     "5f0c7e1ab2d94a33",
	}
	if !s.at.IsZero() {
		e.Time = s.at
	}
	if s.signedIn && e.User.IsZero() {
		e.User = admins[0]
	}
	switch s.rnd.IntN(20) {
	case 0:
		e.Note = strings.Repeat("changed a setting; ", s.rnd.IntN(400))
	case 1, 2, 3:
		e.Note = "client 7731 deleted"
	}
	e.Attributes = s.attributes
	if s.note != "" {
		e.Note = s.note
	}
	return e
}
