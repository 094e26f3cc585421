// Package operations does what docs/maintenance.md and docs/operations.md tell an
// operator to do, with the very commands that stand there: they are read from the
// documents and run by a shell, in which the folders of a Debian system are those of
// the test and systemctl starts and stops adminsessions proxy and a real Loki.
package operations
