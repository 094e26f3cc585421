// Package verify shows that nothing is missing from an audit trail and nothing
// was altered, from Loki alone and the public key that its checkpoints are signed
// with (package proof):
//
//	report, err := verify.Run(ctx, verify.Config{Keys: []string{"panel+1f0c…+AZ3…"}})
//	if err != nil {
//		return err // the trail could not be read
//	}
//	if report.Complete != verify.Yes || report.Unaltered != verify.Yes {
//		fmt.Println(report.Text())
//	}
//
// # What is judged, and by what
//
// A log's entries are read in the order of time, and the tree of those between
// two checkpoints must be the one that was signed. So what was found wrong is
// known as narrowly as checkpoints lie: missing events by their numbers, altered
// ones by the checkpoints around them. Checkpoints that are kept elsewhere
// (Config.Anchors) count like those in the log, and show what was cut off its end
// or grown anew, even with the panel's key.
//
// Events behind the last checkpoint can't be judged, nor those before the first
// one that is found; the report names them and says why. A range is widened to the
// checkpoints on both sides of it.
//
// Nothing that stands in Loki is believed for its own sake. Lines that the
// exporter has not written, checkpoints by other keys, entries with a number that
// another one has: all are reported, and none ends a verification. An act that
// says that events were erased counts only if it is itself among the events that
// agree with what was signed, and if the hashes that it gives make the signed
// tree.
//
// # An overloaded Loki
//
// answers short, with status 200. So a hole is no finding before the log has been
// read a second time, from its end to its beginning and in smaller pieces.
//
// # Bounds
//
// In memory are the hashes of what lies between two checkpoints, 48 bytes an
// event, at most a million of them, and of intervals in which something is wrong
// the same once more.
package verify
