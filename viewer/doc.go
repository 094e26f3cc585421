// Package viewer is the Admin Sessions page: an http.Handler that shows an
// application's own audit trail from Grafana Loki to whom the application lets
// see it.
//
//	page, err := viewer.NewHandler(viewer.Config{
//		Prefix:    "/admin/monitoring/admin-sessions/",
//		LokiURL:   "http://127.0.0.1:3100",
//		Authorize: func(r *http.Request) bool { return panel.Admin(r) != nil },
//	})
//	…
//	mux.Handle("/admin/monitoring/admin-sessions/", page)
//
// The page has no authentication of its own. It refuses to be made without
// Authorize, and asks it before it answers anything.
//
// # The page
//
// Every view is a URL: filters, range, order and place. The page is made on the
// server and works without JavaScript; a small script adds auto refresh, the
// browser's time zone and submitting on change. It is sent part by part: the
// table as soon as Loki has answered, the total when it has been counted, and
// while a search goes over a long range, how far it is.
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
// finding enough), one for requests in progress, one for who is online, and one
// for the total. The answers of the last three are shared by all viewers and
// kept for five times as long as they took. A search makes Loki read every event
// of the range with all its fields, unless Config.LinesSince says since when the
// applications store lines for it. Auto refresh asks again as often as
// its interval says, at most every two seconds.
// Loki's tail endpoint is not used: it allows ten readers for a tenant, needs a
// WebSocket, and would show events two seconds earlier at best.
//
// # While Loki is away
//
// The page shows the last answer it had for the same view, as of when, and since
// when Loki is away. 16 views are remembered. Loki's own words, which may hold
// addresses, go to Config.Logger and never into a page.
package viewer
