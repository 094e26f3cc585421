// Command demo is what `make demo` runs: it starts the admin panel, the real
// Loki and, if they are installed, Grafana and Prometheus, all on loopback,
// watches over them, and ends them together.
//
// The panel is up first and records into its spool while Loki may still be
// compiling; the backlog drains when Loki comes up. Grafana and Prometheus are
// given an address at which Loki can only be asked. A process that ends by
// itself is started again. Ctrl-C or SIGTERM ends everything in order: the
// panel, which delivers what it can, then Grafana and Prometheus, then Loki.
// If the demo itself is killed, the kernel ends its children (Linux). The data
// stays below .data, and the next start goes on with it.
//
// One goroutine owns the processes (supervisor.go); everything else tells it
// what happened over a channel.
package main
