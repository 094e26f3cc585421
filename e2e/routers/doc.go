// Package routers tests package instrumentation with routers that work on
// net/http's own types and so need no adapter: chi and gorilla.
package routers
