// Package line shows that an event's line comes back as it was written, whatever
// its values hold, by all who read it: package adminsessions, and "| logfmt" and
// "| pattern" of a real Loki. No value can forge another.
package line
