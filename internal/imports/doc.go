// Package imports has a test only: what importing this module's packages does to
// a program.
package imports
