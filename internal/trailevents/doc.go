// Package trailevents writes what happens to the trail itself into the trail, as
// events of type TRAIL: that it was started and stopped, that events were dropped or
// quarantined, that Loki was away, that a spool was lost. Their actions, attributes
// and words are here, and nowhere else.
//
// They go the way of all events, have numbers, and are few: of each kind (the action
// and its reason) at most one a minute is written, which counts what it stands for.
// Only checkpoints, and deliveries out of quarantine, which name events one by one,
// are never merged. While the spool refuses events none is tried: so none is lost,
// and none is about another one.
//
// What is told to a [Recorder] takes no longer than a lock, and never waits for the
// disk; [Recorder.Run] writes it. Only Started, Stopped and Checkpoint write on the
// caller's goroutine, as long as an append to the spool takes. What waits to be
// written when the process is killed is lost: that something was dropped then shows
// in the numbers, and in what the proof declares.
package trailevents
