// Package dashboards runs every query of every dashboard and alerting rule
// against a real Loki, without Grafana.
//
// The queries are taken from the files that Grafana reads, so nothing is tested
// that is not shipped. A query's variables are filled in as Grafana does
// (grafana_test.go holds its formats), a known set of events is in Loki
// (events_test.go), beside lines that are nobody's, and what Loki answers is
// compared with what plain Go says of the same events: row by row for tables of
// requests, number by number for everything else. A panel whose answer nothing
// predicts fails the test.
//
// Values that try to leave the string they stand in (attack_test.go) are put
// into every variable of every query: Loki refuses the query, or answers what
// the value means as a text.
//
// Rules are evaluated over the time of a story with a beginning and an end, and
// must fire, with words that name who, where and how much, and resolve.
package dashboards
