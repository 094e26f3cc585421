// Package viewer is the Admin Sessions page: an http.Handler that reads an
// application's own audit trail from Grafana Loki and shows it to those whom the
// application allows to see it.
//
//	page, err := viewer.NewHandler(viewer.Config{
//		Prefix:    "/admin/monitoring/admin-sessions/",
//		Authorize: func(r *http.Request) viewer.Scope {
//			return viewer.Scope{All: panel.Admin(r).MayAudit()}
//		},
//	})
//	…
//	mux.Handle("/admin/monitoring/admin-sessions/", page)
//
// The page has no authentication of its own. It refuses to be made without
// Authorize, and asks it before it answers anything. How Loki is reached it reads
// from the environment, as the exporter does, or from Config.Loki.
//
// # The page
//
// Every view is a URL: filters, range, order and place. A URL that asks for
// something that does not exist, or for one thing twice, is answered with 400, not
// with another view. The page is made on the server and works without JavaScript;
// a small script adds auto refresh, the browser's time zone and submitting on
// change. It is sent part by part: the table as soon as Loki has answered, the
// total when it has been counted, and while a search goes over a long range, how
// far it is.
//
// What is searched for is a row of terms, read by internal/trail/query for the page,
// its API and the command line alike. ?event=ID shows one request, and what it has
// caused. What happens to the trail itself (events of the type TRAIL) is in no view
// that does not ask for it.
//
// Everything shown comes from the line of the event (adminsessions.ParseLine). A
// line that begins like an event's and can't be read is shown as it is.
//
// # Orders and bounds
//
// By time, any number of events can be paged through: a page starts past the
// last event of the one before, never by a number of events, so nothing is
// missed and nothing is shown twice while new events arrive.
//
// Loki cannot order by anything else. For other columns the whole result is
// read once for every page, newest first, up to Config.SortLimit events, of
// which only the best are kept in memory; if there are more, the page says that
// only the newest so many have been sorted. A sorted result can be paged down
// to 10,000 rows.
//
// # What it costs Loki
//
// A page is one query for its rows (more, if the search goes over days without
// finding enough, or if requests on it have no end recorded), one for requests in
// progress, one for who is online, and one for each day to be counted. The answers
// of the last three are shared by all viewers and kept for five times as long as
// they took. Auto refresh asks again as often as its interval says, at most every
// two seconds. Exports have connections of their own, and there are at most four
// at a time.
//
// Loki's tail endpoint is not used: it allows ten readers for a tenant, needs a
// WebSocket, and would show events two seconds earlier at best.
//
// # Looks at the trail
//
// Config.Accessed is told what each request has shown. Put on the request's own
// record, that keeps the record out of the page's views, unless looks at the trail
// are asked for: a search does not find itself. What is left out must be a GET or a
// HEAD, at the page's own path, with a note that begins as the page writes it:
// nobody can hide an act that way.
//
// # Who may see what
//
// Config.Authorize returns a [Scope] for each request: the whole trail, that of some
// tenants, or of one administrator. It is part of every query and of the key of
// everything that is remembered, and each event that comes back is compared with
// it once more. What the Handler asks the trail it can only ask within a scope.
//
// # Sessions and objects
//
// A second list shows sessions, and Config.Sessions lets viewers end them. Each
// object has its history, which [Handler.ObjectHistory] also puts on the panel's
// own pages.
//
// # While Loki is away
//
// The page shows the last answer it had for the same view, as of when, and since
// when Loki is away. It does so, too, when an answer does not come in time. 16 views are remembered. Loki's own words, which may hold
// addresses, go to Config.Logger and never into a page.
package viewer
