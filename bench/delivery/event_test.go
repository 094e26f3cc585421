package delivery

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// idLen is the length of an event's request id, its number in the run.
const idLen = 8

// A source makes the events of a run. They differ as a panel's do, and making
// one allocates nothing, so that it does not blur what is measured.
type source struct {
	templates []adminsessions.Event
	first     int
	ids       string // of all events, one behind the other
}

// newSource makes the source of events numbered first, first+1 and so on.
func newSource(first, count int) *source {
	var ids strings.Builder
	ids.Grow(count * idLen)
	for i := range count {
		fmt.Fprintf(&ids, "%0*d", idLen, first+i)
	}
	s := &source{first: first, ids: ids.String()}
	routes := []struct{ method, path, route string }{
		{"GET", "/admin/clients", "/admin/clients"},
		{"GET", "/admin/api/clients/%d", "/admin/api/clients/{uuid}"},
		{"PUT", "/admin/api/clients/%d", "/admin/api/clients/{uuid}"},
		{"POST", "/admin/api/add_ons/module/%d/activate", "/admin/api/add_ons/module/{uuid}/activate"},
		{"DELETE", "/admin/api/invoices/%d", "/admin/api/invoices/{uuid}"},
		{"GET", "/admin/api/activity_logs?page=%d", "/admin/api/activity_logs"},
	}
	for i := range 1024 {
		r := routes[i%len(routes)]
		path := r.path
		if strings.Contains(path, "%d") {
			path = fmt.Sprintf(path, i*7919)
		}
		through := adminsessions.API
		if !strings.HasPrefix(path, "/admin/api") {
			through = adminsessions.Web
		}
		s.templates = append(s.templates, adminsessions.Event{
			Stage: adminsessions.Complete,
			Type:  through,
			User: adminsessions.User{
				ID: fmt.Sprint(i % 40), FullName: fmt.Sprintf("Administrator %d", i%40), Email: fmt.Sprintf("admin%d@example.com", i%40),
			},
			ClientAddress: netip.AddrFrom4([4]byte{10, 2, byte(i), byte(i * 31)}),
			Method:        r.method,
			URL:           "https://panel.example.com" + path,
			Route:         r.route,
			StatusCode:    []int{200, 200, 200, 201, 404, 500}[i%6],
			Duration:      time.Duration(i*104_729) * time.Nanosecond,
			UserAgent:     "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			SessionID:     fmt.Sprintf("%016x", i*2_654_435_761),
		})
	}
	return s
}

// event fills in event i of the run, counted from 0.
func (s *source) event(i int, e *adminsessions.Event) {
	*e = s.templates[(s.first+i)%len(s.templates)]
	e.RequestID = s.ids[i*idLen : (i+1)*idLen]
	e.Time = time.Now()
}
