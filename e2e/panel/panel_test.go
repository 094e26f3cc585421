// Package panel_test is the black-box test of the whole line: the real admin
// panel's program, asked over HTTP as people and programs do, and the real
// Loki, asked what it holds. It also runs the supervisor behind `make demo`.
package panel_test
