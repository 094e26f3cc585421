// Package proof lets a trail show by itself that nothing is missing from it and
// nothing was altered.
//
// Every log (the events of one spool, in the order of their numbers) is a Merkle
// tree as in RFC 6962: its n-th leaf is a hash of exactly what Loki stores of
// event n, its stream's labels, its time and its line. An event that was given a
// number and is not in Loki, because the disk was full or Loki refused it for
// good, has a leaf that says so with its reason: a declared gap.
//
// A [Checkpoint] is the tree's size and root, signed: a C2SP tlog-checkpoint in a
// signed note, which any tool for transparency logs reads. It also carries the
// tree's compact range, so that a verification can begin at any checkpoint, and
// the gaps declared since the one before.
//
// [Verify] reads a log's entries from Loki, and needs nothing else but the public
// key: between two checkpoints it makes the tree from what it reads, and its root
// must be the signed one. Somebody who can write to Loki, or to the panel's
// disk, can't make a root that fits. Somebody who has the key as well can, but can't
// change what was anchored elsewhere before: a checkpoint kept where the panel's machine
// can't rewrite it.
//
// A line holds a random request id, so a leaf's hash tells nothing of a line that
// was erased: it can't be guessed.
package proof
