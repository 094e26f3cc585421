package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the generator writes: nobody has edited a dashboard
// or a rule by hand, and nobody has forgotten to generate.
func TestCommittedFilesAreGenerated(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator writes: run \"make dashboards\"", name)
		}
	}
	committed, err := filepath.Glob("../*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range committed {
		if name := "dashboards/" + filepath.Base(path); files[name] == nil {
			t.Errorf("%s is not generated", name)
		}
	}
}

// A name that the line does not have can't get into a query.
func TestNamesAreFields(t *testing.T) {
	for name, f := range map[string]func(){
		"a field":     func() { field("emial") },
		"a word":      func() { words("url") },
		"not a word":  func() { words("ms") },
		"unknown one": func() { words("type", "metod") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
