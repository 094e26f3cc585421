package viewer

import (
	"cmp"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// maxOnline is how many administrators the page shows as online.
const maxOnline = 12

// person is an administrator who is online.
type person struct {
	Name, Email, Address, Ago string
	URL                       string
}

// People are the administrators who are online, the most recent first.
func (p *pageData) People() []person {
	var people []person
	for _, w := range p.Online.Who[:min(maxOnline, len(p.Online.Who))] {
		people = append(people, person{
			Name:    presenceName(w),
			Email:   w.User.Email,
			Address: w.Address,
			Ago:     p.L.Ago(p.Now.Sub(w.LastSeen)),
			URL:     p.only("admin", cmp.Or(w.User.Email, w.User.ID)),
		})
	}
	return people
}

// MorePeople says how many more are online than are shown; empty for none.
func (p *pageData) MorePeople() string {
	if n := len(p.Online.Who) - maxOnline; n > 0 {
		return p.L.T("online.more", p.L.Number(int64(n)))
	}
	return ""
}

func presenceName(w trail.Presence) string {
	return cmp.Or(w.User.FullName, w.User.Email, w.User.ID)
}

// initials are the first letters of the first and the last word of a name.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "?"
	}
	first, _ := utf8.DecodeRuneInString(words[0])
	s := string(unicode.ToUpper(first))
	if len(words) > 1 && !strings.Contains(name, "@") {
		last, _ := utf8.DecodeRuneInString(words[len(words)-1])
		s += string(unicode.ToUpper(last))
	}
	return s
}

// hues is how many colours the style has for people.
const hues = 8

// hue is the colour of a person, always the same.
func hue(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32() % hues
}
