// Package childproc ties processes to the one that starts them: none outlives
// it, and a process ends together with those it started itself.
package childproc
