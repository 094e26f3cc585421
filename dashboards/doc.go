// Package dashboards holds what people look at and what wakes them: the Grafana
// dashboards of an audit trail, its alerting rules and their runbooks.
//
//	admin-sessions.json  every admin request: search, filters, Hide Me, drill-down
//	phone.json           the same on a narrow screen, one column
//	activity.json        who is online, who does how much, what fails, what is new
//	admin.json           one administrator: addresses, sessions, user agents
//	event.json           one request, every field and change, and what else its session did
//	object.json          what was done to one thing, and who looked at it
//	changes.json         what was changed, by whom
//	session-list.json    each session, and its story
//	pipeline.json        is the trail whole and proved, and does it arrive
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
// words do-not-chunk and do-not-shard in the refId keep a query whole, and keep it
// from that.
//
// A filter that is empty must match everything. No event has the label nothing,
// so nothing=~`(?:${ip:regex})` holds while the variable is empty, and costs
// nothing then.
//
// A text of a line is compared as the literal ` tenant="acme"` in the part for
// people. No other text can say so, because within quotes a quote has a backslash
// before it; only a value that begins with a space, or ends in a backslash, could
// be taken for another, and finds too much instead of too little.
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
//   - U+FFFD in a label that is taken out of a line fails the whole query;
//   - of two keys of a line that logfmt makes one of, it keeps the first.
//
// Events of type TRAIL are the trail's own. Every query about administrators
// leaves them out by the word, type!="TRAIL", never by a line filter, which a text
// could be made to match.
package dashboards
