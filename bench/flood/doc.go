// Package flood measures what a flood of requests without credentials does to a
// panel that records: whether an administrator's events are lost, what his
// requests wait, what memory and spool it takes, and whether the records say how
// many requests there were.
//
// The panel is a process of its own with the default configuration, served over
// TCP. Connections send it the cheapest request there is (27 bytes, pipelined)
// as fast as they can, from one address or from many, while two administrators
// make requests at a steady rate; Loki is a real one, up or stopped. A panel
// that records nothing is flooded beside, because a flood costs every server
// its processors: what recording adds is the difference. At the end all is
// delivered and read back from Loki: each administrator's request must be there
// once, and the anonymous records must stand for exactly as many requests as
// were served.
//
//	go test -run TestFlood ./flood  (a short one, in make test)
//	go test -run '^$' -bench Flood -benchtime 1x -timeout 30m ./flood
//
// The tables come with the benchmark's log. docs/benchmarks.md has figures.
package flood
