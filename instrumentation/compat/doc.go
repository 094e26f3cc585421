// Package compat tests package instrumentation with routers that work on
// net/http's own types and so need no adapter. A module of its own, so that
// the routers do not become dependencies.
package compat
