// Package anchor brings a log's checkpoints to places that the panel's machine
// can't rewrite, and reads them back from there for package verify:
//
//   - [File], an append-only file. What makes it append-only is the system's: the
//     attribute a (chattr +a, which root can take away), or that the file is on
//     another machine that only lets append.
//   - [Webhook], which posts each checkpoint to a server of somebody else.
//   - [Loki], another Loki, or another tenant for which the panel has the right to
//     push only.
//   - [Witness], a C2SP tlog-witness, which signs a checkpoint only if the log has
//     grown since the one that it signed before. Any number of strangers' logs can
//     share one.
//
// A bucket with object lock is in the module proof/s3.
//
// What stands at one of these places can't be denied later, not even by somebody who
// has the panel's key: a trail that was cut or rewritten since does not fit it.
package anchor
