// Package capacity measures what a fleet of panels asks of Grafana Loki: many
// streams with little in each, because every panel's log is a stream of its own.
// The Loki is the real one, with the configuration of deploy/loki and its limits
// raised as docs/capacity.md says.
//
//	go test -run '^$' -bench Streams -benchtime 1x -timeout 2h ./capacity -args -panels 1000,10000,100000
//	go test -run '^$' -bench Chunks  -benchtime 1x -timeout 1h ./capacity
//	go test -run '^$' -bench Queries -benchtime 1x -timeout 2h ./capacity -args -panels 1000,10000 -days 30
//	go test -run '^$' -bench Replication -benchtime 3x ./capacity
//	go test -run '^$' -bench 'Gateway|Refused' -benchtime 5000x ./capacity
//
// Streams is the side that takes in: what a push, a stream and a restart after
// kill -9 cost. Chunks is what a stream's day takes in memory and in the store, by
// how many events it has. Queries is what questions cost, by range and by how many
// panels they are about. Replication is what three copies of everything cost, Gateway
// what nginx adds to a push, Refused what a push costs for which there is no room.
//
// Costs are processor time of Loki's process, which does not depend on what else
// the machine does; times by the clock do. docs/capacity.md has figures.
package capacity
