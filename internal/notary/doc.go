// Package notary lets a log prove itself, as package proof describes: it keeps the
// log's Merkle tree, has its checkpoints signed, and brings them into the trail,
// beside the spool and to the anchors. It knows nothing of Loki: the exporter says
// which events Loki has, or will never have, and writes the events that carry
// checkpoints.
//
//	n := notary.New(config)
//	log := spool.Open(spool.Options{Seen: n.Seen, BeforeRemove: n.BeforeRemove, …})
//	last, before, err := n.Begin(…)
//	go n.Run(ctx)
//	for {
//		n.Prove(batch) // Loki has acknowledged it
//		log.Ack(…)     // not before
//		n.Turn()       // whenever n.Changed() receives, and now and then
//	}
//
// # Who owns what
//
// The tree belongs to the goroutine that calls Begin, Prove, Turn and Seal, the
// exporter's shipper. It is in memory, a few hashes, and on disk in the file "tree".
// Prove and Turn compute, and write that file into the page cache; they wait for
// no key, no network and no fsync.
//
// [Notary.Run] has a goroutine that signs, because keys may be far away: one
// checkpoint at a time goes there from Turn, as text, and back when it is in the
// trail. Meanwhile the tree grows, and no other checkpoint is made. Signed ones are
// kept in "checkpoints.ndjson". Each anchor has a goroutine and a queue of its own.
//
// # What is lost when
//
// The tree is saved before the spool's cursor moves past its events, and synced
// (BeforeRemove) before these are removed from the spool. So a process that is
// killed between any two steps loses nothing: what it sends again has its leaf
// already, and the same bytes; a checkpoint that was not in the trail yet is in the
// tree's file, and is signed by the next process. A tree that was lost, or that a
// power cut has left older than the last checkpoint kept, goes on from that one;
// what it does not know of the events behind that it declares "unproven".
//
// A key that can't be had stops checkpoints, not events. An anchor that is away for
// more than 256 checkpoints loses the oldest of these, which is counted: the newest
// says what they say. Why numbers are absent is remembered for 4096 ranges, of which
// the first 64 survive the process; what is forgotten is declared as "unused".
package notary
