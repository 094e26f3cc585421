// Package dashboards holds what people look at and what wakes them: the Grafana
// dashboards of an audit trail, its alerting rules and their runbooks.
//
//	admin-sessions.json  every admin request: search, filters, Hide Me, drill-down
//	phone.json           the same on a narrow screen, one column
//	activity.json        who is online, who does how much, what fails, what is new
//	admin.json           one administrator: addresses, sessions, user agents
//	event.json           one request, every field, and what else its session did
//	pipeline.json        is the trail whole, and does it arrive
//	alerts/              rules for Prometheus and for Loki's ruler
//	runbooks/            what each alert means and what to do, a file an alert
//	generate/            the program that writes all but the runbooks
//
// Dashboards and rules are written in Go, in generate, and generated: "make
// dashboards" writes them, the Grafana-managed rules of
// deploy/grafana/provisioning among them, and a test fails if somebody has edited
// one. Names of fields come from package adminsessions' table.
//
// Grafana reads the dashboards from this folder by deploy/grafana/provisioning.
// [Files] embeds them for the tests, and for a program that wants to hand them
// out.
//
// # Text in queries
//
// What stands in a variable comes from whoever wrote the link that somebody
// follows. It enters a query in two ways only (generate/logql.go):
//
//   - as a literal in a group of a regular expression in backticks,
//     =~`(?:${name:regex})`. Only a backtick could end the string; then the group
//     is left open, and Loki refuses the query, as Grafana has put a backslash
//     before each parenthesis of the value. The first place of a variable in a
//     query is a condition that Loki reads before it looks at any line;
//   - percent-encoded, which holds no character that ends anything.
//
// Grafana 12.3 expands the variables of a query twice if it may cut it into days:
// $admin in the search box then becomes the raw value of the variable admin. The
// word do-not-chunk in the refId keeps a query whole, and keeps it from that.
//
// A filter that is empty must match everything. No event has the label nothing,
// so nothing=~`(?:${ip:regex})` holds while the variable is empty, and costs
// nothing then.
//
// # LogQL
//
// The text filter first, then words by pattern, logfmt last, on what is left.
// Traps of Loki 3.7.8 that the queries go around, each with a test:
//
//   - a parsed label compared with a regular expression that ends or begins in .*
//     matches within the text, 5.* holds for 405; and a=(?:) for every a=…;
//   - (?s:.*) instead of .* makes a filter four times as dear;
//   - a regular expression that is broken in a line filter alone is, asked as
//     Grafana asks, answered with no lines instead of an error;
//   - U+FFFD in a label that is taken out of a line fails the whole query.
package dashboards
