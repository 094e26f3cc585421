// Package erase deletes a person's events from Loki without breaking the proof of
// the trail (package proof):
//
//	found, err := erase.Find(ctx, config)            // what would be deleted
//	err = erase.Erase(ctx, config, found, erase.Act{By: officer, Reason: "request of 3 May"})
//
// What is left of an event is its number and its leaf's hash. Both are put on
// record first, with who erases and why, by events of the trail itself
// (trail.erased): package verify then says that these events were erased, and
// still proves all others. The hash tells nothing: a line holds at least 100
// random bits, the request's id, which are erased with it.
//
// It goes through Loki's API for deletions, which is off in our configuration
// (deletion_mode) and should be switched on for as long as it takes. Loki deletes
// later, in its own time. docs/privacy.md has the procedure.
package erase
