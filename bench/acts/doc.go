// Package acts measures what acts cost: those that are read off the route, and
// comparing values, beside the diff libraries that people would use.
package acts
