package trail

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// A search is for text as people read it: keys, and values as they were. In the
// line a quote within a text has a backslash before it, a space within a word is
// %20, and so on. What stands in a line for a text that is searched depends on
// where it stands: status=404 is a key and its value, or a part of a URL, or a
// part of an id, where it is status%3d404. [forms] finds all the ways.

// form is a way in which a text can stand in the people's part of a line.
type form struct {
	written string
	// within says where it means the text: the same characters elsewhere may
	// mean another. %20 is a space within a word, and itself within a text.
	within within
}

type within int

const (
	anywhereIn within = iota
	wordsOnly
	textsOnly
)

// place is a place in the people's part of a line between two characters.
type place struct {
	kind placeKind
	// field is the number of the field in the key, or whose key or value it is.
	field int
	// at is how much of the key is over.
	at int
}

type placeKind int

const (
	inKey    placeKind = iota
	inWord             // in a value written bare
	atText             // before the quote that begins a text
	inText             // between a text's quotes
	pastText           // behind the quote that ends it
)

// peopleFields are the fields of the people's part.
var peopleFields = func() (fields []adminsessions.Field) {
	for f := range adminsessions.Fields() {
		if f.Name != "" && f.Part == adminsessions.People {
			fields = append(fields, f)
		}
	}
	return fields
}()

// forms returns every form that text, which must be clean, can have in the
// people's part of a line; for most texts that is the text itself.
func forms(text string) []form {
	if "x"+text == encodeWord("x"+text) {
		return []form{{text, anywhereIn}}
	}
	// What has been written so far, by the places where it can end.
	reached := make(map[place]map[string]bool)
	for _, p := range anywhere() {
		reached[p] = map[string]bool{"": true}
	}
	for _, r := range text {
		next := make(map[place]map[string]bool)
		for from, written := range reached {
			for to, more := range from.read(r) {
				if next[to] == nil {
					next[to] = make(map[string]bool)
				}
				for form := range written {
					next[to][form+more] = true
				}
			}
		}
		reached = next
	}
	inWords, inTexts := "x"+text, text
	inWords, inTexts = strings.TrimPrefix(encodeWord(inWords), "x"), encodeText(inTexts)
	found := make(map[form]bool)
	for _, written := range reached {
		for w := range written {
			f := form{w, anywhereIn}
			switch {
			case w == inWords && w != inTexts:
				f.within = wordsOnly
			case w == inTexts && w != inWords && encodeWord("x"+strings.ReplaceAll(w, "%", "")) == "x"+strings.ReplaceAll(w, "%", ""):
				f.within = textsOnly // nothing but "%" keeps it from being a word's
			}
			found[f] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b form) int {
		return cmp.Or(cmp.Compare(a.within, b.within), cmp.Compare(a.written, b.written))
	})
}

// anywhere are all places in a line.
func anywhere() (places []place) {
	for i, f := range peopleFields {
		for at := range f.Name + "=" {
			places = append(places, place{inKey, i, at})
		}
	}
	for i, f := range peopleFields {
		if f.Word {
			places = append(places, place{kind: inWord, field: i})
		}
	}
	return append(places, place{kind: atText}, place{kind: inText}, place{kind: pastText})
}

// read returns where a reader can be who was at p and has read r, and what
// stands in the line for r then.
func (p place) read(r rune) map[place]string {
	raw := string(r)
	to := make(map[place]string)
	switch p.kind {
	case inKey:
		f := peopleFields[p.field]
		switch rest := f.Name[p.at:]; {
		case rest == "" && r == '=' && f.Word:
			to[place{kind: inWord, field: p.field}] = raw
		case rest == "" && r == '=':
			to[place{kind: atText}] = raw
		case strings.HasPrefix(rest, strings.ToLower(raw)):
			to[place{inKey, p.field, p.at + 1}] = raw
		}
	case inWord:
		to[p] = strings.TrimPrefix(encodeWord("x"+raw), "x")
		if r == ' ' {
			p.next(to)
		}
	case atText:
		if r == '"' {
			to[place{kind: inText}] = raw
		}
	case inText:
		to[p] = encodeText(raw)
		if r == '"' {
			to[place{kind: pastText}] = raw
		}
	case pastText:
		if r == ' ' {
			p.next(to)
		}
	}
	return to
}

// next adds the keys that can follow the value that ends at p: the next word's,
// or behind the last word any text's.
func (p place) next(to map[place]string) {
	if next := p.field + 1; p.kind == inWord && peopleFields[next].Word {
		to[place{kind: inKey, field: next}] = " "
		return
	}
	for i, f := range peopleFields {
		if !f.Word {
			to[place{kind: inKey, field: i}] = " "
		}
	}
}
