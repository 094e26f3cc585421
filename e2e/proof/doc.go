// Package proof shows on a real Loki what package verify finds of what was
// done to a trail: by who can push to Loki, by who can delete from it, by who has
// the panel's disk.
package proof
