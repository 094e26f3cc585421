// Package tools builds and finds the programs the project pins: Grafana Loki,
// promtool and Prometheus, the linters.
//
// Each of them is a Go tool of a module of its own under tools/, so that none
// of their dependencies reaches the library. [Tool.Build] compiles one into
// .tools/bin, which git ignores, and does nothing while what is there was
// built from the same module files, flags and Go release. [Tool.Find] is for
// those who only want to run one.
package tools
