// Package cluster keeps Loki's distributed mode under fire: its processes run
// as deploy/loki-distributed says, with three ingesters, replication 3 and a
// bucket, panels record into it, and whatever takes part is killed meanwhile.
// Then every event that a panel has accepted must be in Loki, once.
//
//	go test ./cluster                              one round, as in make test
//	go test ./cluster -timeout 0 -soak 20m         rounds for 20 minutes (make soak)
//
// Every process has an address of its own in 127.0.0.0/8, so that the
// configuration is the shipped one, ports included. That works on Linux.
package cluster
