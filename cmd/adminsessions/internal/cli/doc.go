// Package cli has the commands that read the trail and look after its delivery:
// everything of the program but the proxy. Each command is a type with a Run
// method, in a file of its own; [Commands] lists them.
//
// What comes from the trail is written by whoever was recorded, so nothing of it
// reaches a terminal that the terminal could take for a command: see [visible].
package cli
