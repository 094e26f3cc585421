package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnAnswerIsNoUnlessItIsYes(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES \n": true, "y": true, "\n": false, "n\n": false, "yy\n": false, "": false} {
		var out bytes.Buffer
		if got := ask(t.Context(), strings.NewReader(answer), &out, "Fetch?"); got != want {
			t.Errorf("%q is taken for %t", answer, got)
		}
		if got := out.String(); got != "Fetch? [y/N] " {
			t.Errorf("the question reads %q", got)
		}
	}
	r, w := io.Pipe() // nobody answers
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ask(ctx, r, io.Discard, "Fetch?") {
		t.Error("Ctrl-C is taken for a yes")
	}
}

func TestNobodyIsAskedWithoutATerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	nothing := func(string) string { return "" }
	for name, f := range map[string]*os.File{"a file": file, "nothing": null, "a pipe": pipe} {
		if askerAt(f, terminal, nothing) != nil || askerAt(terminal, f, nothing) != nil {
			t.Errorf("%s is taken for a terminal", name)
		}
	}
	if askerAt(terminal, terminal, nothing) == nil {
		t.Error("a terminal is taken for none")
	}
	if askerAt(terminal, terminal, func(name string) string { return map[string]string{"CI": "true"}[name] }) != nil {
		t.Error("somebody is asked in CI")
	}
}

// TestGrafanaIsOffered fetches it if it is asked for, or if somebody says yes.
func TestGrafanaIsOffered(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	archive := archiveOf(t, map[string]string{"grafana/bin/grafana": "program"})
	for name, c := range map[string]struct {
		choice         string
		answer         bool
		terminal       bool
		asked, fetched bool
	}{
		"yes":                 {answer: true, terminal: true, asked: true, fetched: true},
		"no":                  {terminal: true, asked: true},
		"no terminal":         {},
		"download":            {choice: "download", terminal: true, fetched: true},
		"download, in CI":     {choice: "download", fetched: true},
		"none":                {choice: "none", terminal: true},
		"none, and no answer": {choice: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			conf := config{grafana: releases(t, archive, sum(archive)), getenv: func(name string) string { return map[string]string{grafanaChoice: c.choice}[name] }}
			var ask asker
			if c.terminal {
				ask = func(_ context.Context, question string) bool {
					asked = true
					if !strings.Contains(question, grafanaVersion) || !strings.Contains(question, "MB") {
						t.Errorf("the question is %q", question)
					}
					return c.answer
				}
			}
			conf.fetchGrafana(t.Context(), ask, t.Logf)
			_, err := os.Stat(conf.grafana.home())
			if asked != c.asked || (err == nil) != c.fetched {
				t.Errorf("asked %t, fetched %t; want %t, %t", asked, err == nil, c.asked, c.fetched)
			}
			// A second start has it and asks nobody.
			asked = false
			if c.fetched {
				conf.fetchGrafana(t.Context(), ask, t.Logf)
			}
			if asked {
				t.Error("asked again")
			}
		})
	}
}
