// Package spool is a crash-safe log of records on disk, written by many
// goroutines and read by one.
package spool
