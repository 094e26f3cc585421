// The end-to-end tests: everything that needs a real Loki, a browser or a
// parser for compose files. A module of its own, so that none of it reaches
// the library's dependencies.
module github.com/adminsessions/adminsessions/e2e

go 1.26.0

require github.com/adminsessions/adminsessions v0.0.0

replace github.com/adminsessions/adminsessions => ../
