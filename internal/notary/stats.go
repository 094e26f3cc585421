package notary

import "time"

// Stats is what a notary has done.
type Stats struct {
	Checkpoints uint64    // signed and in the trail
	Failures    uint64    // attempts to sign that failed
	Size        uint64    // how many events the last checkpoint is about
	Last        time.Time // when it was in the trail, zero before the first
	Anchors     map[string]AnchorStats
}

// AnchorStats is what has been brought to an anchor.
type AnchorStats struct {
	Anchored    uint64 // checkpoints
	Failures    uint64 // attempts that failed
	Dropped     uint64 // checkpoints given up because newer ones waited
	Waiting     int64
	LastSuccess time.Time // zero before the first
}

// Stats returns the numbers. It may be called on any goroutine.
func (n *Notary) Stats() Stats {
	if n == nil {
		return Stats{}
	}
	s := Stats{
		Checkpoints: n.checkpoints.Load(), Failures: n.failures.Load(), Size: n.size.Load(), Last: timeOf(n.lastAt.Load()),
		Anchors: make(map[string]AnchorStats, len(n.anchors)),
	}
	for _, a := range n.anchors {
		s.Anchors[a.anchor.Name()] = a.stats()
	}
	return s
}

// timeOf is a time in nanoseconds; 0 is none.
func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
