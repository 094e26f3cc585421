// Package dashboards holds what people look at and what wakes them: the Grafana
// dashboards of an audit trail, its alerting rules and their runbooks.
//
//	admin-sessions.json  every admin request: search, filters, Hide Me, drill-down
//	search.json          months of requests, by text alone: fast
//	activity.json        who is online, who does how much, what fails, what is new
//	admin.json           one administrator: addresses, sessions, user agents
//	event.json           one request, every field
//	pipeline.json        is the trail whole, and does it arrive
//	alerts/              rules for Prometheus and for Loki's ruler
//	runbooks/            what each alert means and what to do, a file an alert
//
// The files are used as they are: Grafana reads the dashboards from this folder
// by deploy/grafana/provisioning, where the Grafana-managed alert rules live
// too. [Files] embeds them for the tests, and for a program that wants to hand
// them out.
//
// # Rules of the house
//
// Data sources are named by the fixed uids adminsessions-loki and
// adminsessions-prometheus, dashboards by uids that begin with "adminsessions-",
// so links and rules survive a re-import. Every query over Loki starts from
// service_name and every name in it is one of package adminsessions' vocabulary.
// Whatever reads events says audit_lines_of="" too, so that the lines an
// application stores once more (exporter.WithLines) are never counted with them.
// A table takes its columns from an allow-list, so that a field
// an application adds never becomes a stray column.
//
// # Text in queries
//
// What people type reaches LogQL in two ways that take any character but a
// backtick, which ends a LogQL raw string and cannot be escaped in one:
//
//   - as a literal in a regular expression, `(?i)${search:regex}`;
//   - as a whole value, `${session}`.
//
// A filter that is empty must match everything, also events that lack the
// field. LogQL cannot compare a constant, but a label that no event has is the
// empty string: nothing=`${session}` is true when the variable is empty, so
//
//	| nothing=`${session}` or session_id=`${session}`
//
// is the optional filter. Hide Me extends it by its switch, 0 or 1, as a
// repetition: the first alternative matches while Hide Me is off, or while the
// Grafana user has no e-mail address:
//
//	| nothing=~`(?:${__user.email:regex}){${hide_me}}` or user_email!~`(?i)${__user.email:regex}`
//
// # Lines and events
//
// Admin Search reads one or the other, by the label that names the service: its
// variable read. It takes its columns from the sentence in both cases, so they
// hold the same; the metadata of an event it first throws away (keep), or Loki
// would name what it finds in the sentence user_email_extracted. All of its
// variable service is the list of the services, never .+, which among events
// would select the lines as well.
//
// The counts of Admin Sessions are of lines, if Count events is off and no filter
// is set that lines have no fields for. LogQL has no if, but a selector may ask
// for a label that no stream has: it is empty, so the variables together, as one
// regular expression, match it while all of them are empty or All. The query has
// both selectors, nothing=~`…` for the lines or nothing!~`…` for the events, and
// one of the two selects no stream and costs nothing.
package dashboards
