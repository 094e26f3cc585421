// Package recordtest stands where the exporter would in tests of the capture
// side: it keeps events, so that a test can look at them, and fails on demand.
package recordtest
