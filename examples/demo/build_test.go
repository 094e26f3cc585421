package main

import (
	"bytes"
	"strings"
	"testing"
)

// A program that can't be built ends the demo, unless it can go on without.
func TestWhatCannotBeBuilt(t *testing.T) {
	t.Setenv("NOSUCHPROGRAM_BIN", "")
	c := config{root: t.TempDir()} // there is no Makefile in it
	var out bytes.Buffer
	needed := build{program: "nosuchprogram"}
	if b := needed.build(t.Context(), c, &out); b.err == nil || !strings.Contains(b.err.Error(), "build nosuchprogram") {
		t.Errorf("error %v does not name the program", b.err)
	}
	spare := build{program: "nosuchprogram", without: "a page"}
	if b := spare.build(t.Context(), c, &out); b.err != nil || b.service != nil {
		t.Errorf("%+v; want nothing to start, and no error", b)
	}
	if !strings.Contains(out.String(), "going on without a page") {
		t.Errorf("it says %q", &out)
	}
}
