// Package attack attacks the demo panel as a stranger, an administrator or a
// proxy on the way could, over real connections, and then reads in a real Loki
// what the trail says of it.
//
// The attacks stand in tables, a file for each kind. Each is a request, or
// several, written byte by byte, and what must be true of the lines that they
// left. All of them are made first, against one panel and one Loki, in the
// order of their names; the trail is read once, after the panel has ended. An
// attack is recognised in the trail by its user agent.
package attack
