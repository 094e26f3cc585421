// Package release has tests only, of a release as others get it: this repository is
// tagged by tools/release/tag in a clone, the go command takes its modules from
// there as it would take them from GitHub, and programs outside the repository
// require, build and install them. testdata has the programs, one for each module
// that is not needed by everybody.
package release
