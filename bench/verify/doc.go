// Package verify measures what it costs to verify a trail: how long, how much of
// that Loki itself takes, and how much memory.
//
//	go test ./verify -run '^$' -bench . -benchtime 1x -events 1000000
package verify
