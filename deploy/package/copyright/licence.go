package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

const apache = "Apache-2.0"

// permissive are the licences under which a part may be linked into a program that
// has another, each with the words by which its text is known: all of them, in lower
// case and with single spaces.
var permissive = []struct {
	name  string // as SPDX has it
	words []string
	not   string
}{
	{apache, []string{"apache license version 2.0, january 2004"}, ""},
	{apache, []string{"licensed under the apache license, version 2.0 (the"}, ""},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms", "redistributions in binary form must reproduce"}, "neither the name of"},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "redistributions in binary form must reproduce", "neither the name of"}, ""},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}, ""},
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy of this software"}, ""},
	// Its files stay under it; whoever gets the program is told where they are.
	{"MPL-2.0", []string{"mozilla public license", "version 2.0", "covered software"}, ""},
}

// The title of a licence that would become the program's. Other licences mention them.
var copyleft = regexp.MustCompile(`gnu (affero |lesser |library )?general public license version [0-9.]+, [0-9]+ [a-z]+ [0-9]{4}`)

// identify says which licences a text holds.
func identify(text string) ([]string, error) {
	plain := strings.ToLower(strings.Join(strings.Fields(text), " "))
	if plain == "" {
		return nil, errors.New("no licence found")
	}
	if found := copyleft.FindString(plain); found != "" {
		return nil, errors.New("the " + found + " would become the program's; do without it")
	}
	var names []string
	for _, l := range permissive {
		holds := l.not == "" || !strings.Contains(plain, l.not)
		for _, words := range l.words {
			holds = holds && strings.Contains(plain, words)
		}
		if holds && !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("a licence that is not known; if it lets the program be passed on, add it to licence.go")
	}
	return names, nil
}
