package viewer

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// withoutPlural is a message's key without its plural form: each language has its
// own.
func withoutPlural(key string) string {
	for _, counted := range []string{"auto.new", "folded", "sessions.shared", "end.done", "since"} {
		if strings.HasPrefix(key, counted+".") {
			return counted
		}
	}
	return key
}

// TestLocalesSayTheSame has every language say everything that any says, with
// the same number of values in it.
func TestLocalesSayTheSame(t *testing.T) {
	ls, err := loadLocales()
	if err != nil {
		t.Fatal(err)
	}
	keys := func(l *locale) []string {
		keys := map[string]bool{}
		for k := range l.Messages {
			keys[withoutPlural(k)] = true
		}
		return slices.Sorted(maps.Keys(keys))
	}
	english := ls.all[0]
	for _, l := range ls.all[1:] {
		if got, want := keys(l), keys(english); !slices.Equal(got, want) {
			t.Errorf("%s says\n%q\nwant\n%q", l.Code, got, want)
		}
		for k, m := range l.Messages {
			if strings.Count(m, "%s") != strings.Count(english.Messages[k], "%s") && withoutPlural(k) == k {
				t.Errorf("%s: %s has another number of values: %q, %q", l.Code, k, m, english.Messages[k])
			}
		}
	}
	// Whatever the templates say by a fixed key is there.
	said := regexp.MustCompile(`\.T "([a-z_.0-9]+)"`)
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := templateFiles.ReadFile("templates/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllSubmatch(b, -1) {
			if _, ok := english.Messages[string(m[1])]; !ok {
				t.Errorf("%s: no words for %q", f.Name(), m[1])
			}
		}
	}
}

func TestNumbersAndTimes(t *testing.T) {
	ls, err := loadLocales()
	if err != nil {
		t.Fatal(err)
	}
	en, pl := ls.all[0], ls.all[1]
	for _, test := range []struct{ got, want string }{
		{en.Number(0), "0"}, {en.Number(9999), "9999"}, {en.Number(10000), "10,000"}, {en.Number(5000000), "5,000,000"},
		{pl.Number(5000000), "5\u00a0000\u00a0000"},
		{en.Duration(6100 * time.Microsecond), "6.10 ms"}, {pl.Duration(6100 * time.Microsecond), "6,10 ms"},
		{en.Duration(250 * time.Millisecond), "250 ms"}, {en.Duration(1500 * time.Millisecond), "1.50 s"},
		{en.Duration(70 * time.Second), "1 min 10 s"}, {en.Duration(3*time.Hour + 4*time.Minute), "3 h 04 min"},
		{en.Ago(time.Second), "now"}, {en.Ago(90 * time.Minute), "1 h ago"}, {pl.Ago(72 * time.Hour), "3 dni temu"},
		{pl.Date(testNow), "04.05.2026"}, {en.Date(testNow), "4 May 2026"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
