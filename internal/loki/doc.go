// Package loki is the one place that knows Grafana Loki: how it is reached
// ([New] makes a [Client] of an [adminsessions.Loki]), what a push looks like on
// the wire and what its answer proves, and how questions are asked. The
// exporter, the page, the test server and the commands share it.
package loki
