package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the program links has licences that let it be passed on, and each is there.
func TestTheProgram(t *testing.T) {
	var b strings.Builder
	if err := run(&b, "../../../cmd/adminsessions", []string{"linux/amd64", "darwin/arm64", "windows/amd64"}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n",
		"\nFiles: std/*\nCopyright: Copyright 2009 The Go Authors.\n",
		"\nFiles: github.com/grafana/loki-client-go/*\n", "\nFiles: github.com/alecthomas/kong/*\n",
		"\nLicense: MPL-2.0\n", " Permission is hereby granted, free of charge,", "\n It comes with this notice:\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it has no %q", want)
		}
	}
	if strings.Contains(text, "\nFiles: "+own) {
		t.Error("the program's own modules are told as somebody else's")
	}
	// Every paragraph is of fields and their continuations, nothing else.
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if line != "" && !regexp.MustCompile(`^( \S| {2,}\S|[A-Z][A-Za-z-]+: \S)`).MatchString(line) {
			t.Errorf("line %d is no line of a copyright file: %q", n+1, line)
		}
	}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, "Files: ") && !regexp.MustCompile(`(?s)\nCopyright: .*\nLicense: `).MatchString(paragraph) {
			t.Errorf("a paragraph lacks a field: %.100s", paragraph)
		}
	}
}

func TestLicences(t *testing.T) {
	const agpl = "GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007\n"
	for text, want := range map[string]string{
		"":                  "no licence found",
		agpl:                "would become the program's",
		"Do what you want.": "not known",
		"Apache License\n Version 2.0, January 2004\n http://www.apache.org/": "Apache-2.0",
		// One file, two licences, one of which is refused.
		"Apache License\nVersion 2.0, January 2004\n" + agpl: "would become the program's",
	} {
		names, err := identify(text)
		if got := strings.Join(names, " "); err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// A module without a licence, or with one that would become the program's, fails the
// release and is named.
func TestARefusedModule(t *testing.T) {
	dir := t.TempDir()
	m := module{"example.com/part", "v1.0.0", dir}
	for _, text := range []string{"", "GNU GENERAL PUBLIC LICENSE Version 2, 29 June 1991"} {
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, "COPYING"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.stanza(); err == nil || !strings.Contains(err.Error(), "example.com/part v1.0.0") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := run(&strings.Builder{}, dir, []string{"linux"}); err == nil || !strings.Contains(err.Error(), `platform "linux"`) {
		t.Errorf("%v", err)
	}
}
