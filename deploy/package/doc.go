// Package packaging has tests only, of how adminsessions is delivered: the Debian
// package that .goreleaser.yaml describes is built and taken apart, its unit and
// its configuration are checked, and so is that the Dockerfile takes what there is.
package packaging
