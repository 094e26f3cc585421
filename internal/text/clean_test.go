package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, c := range []struct {
		name, in string
		limit    int
		want     string
		cut      bool
	}{
		{"plain", "Anna", 10, "Anna", false},
		{"line break", "a\r\nb", 10, "a□□b", false},
		{"tabulator", "a\tb", 10, "a□b", false},
		{"escape sequence", "\x1b[31mred", 20, "□[31mred", false},
		{"NUL", "a\x00b", 10, "a□b", false},
		{"C1", "a\u0085b", 10, "a□b", false},
		{"line separator", "a\u2028b\u2029c", 20, "a□b□c", false},
		{"override", "user\u202egnp.exe", 40, "user□gnp.exe", false},
		{"isolate", "\u2066a\u2069", 20, "□a□", false},
		{"zero width", "ad\u200bmin\ufeff", 40, "ad□min□", false},
		{"tag", "a\U000e0041", 20, "a□", false},
		{"invalid", "a\xffb\xc3", 20, "a□b□", false},
		{"surrogate", "\xed\xa0\x80", 20, "□□□", false},
		{"overlong", "\xc0\xaf", 20, "□□", false},
		{"U+FFFD", "a\ufffdb", 20, "a□b", false},
		{"U+25A1", "a□b", 20, "a□b", false},
		{"cut", "abcdef", 3, "abc", true},
		{"cut between characters", "añb", 2, "a", true},
		{"cut after replacing", "\x00\x00", 5, "□", true},
		{"cut in a family", "👨\u200d👩\u200d👧", 14, "👨\u200d👩", true},
		{"cut in a key", "1\ufe0f\u20e3", 5, "1", true},
		{"cut in a flag", england, 20, "🏴", true},
		{"exactly", "añb", 4, "añb", false},
		{"empty", "", 0, "", false},
		{"no room", "a", 0, "", true},
		{"less than no room", "a", -1, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, cut := Clean(c.in, c.limit)
			if got != c.want || cut != c.cut {
				t.Errorf("Clean(%q, %d) = %q, %v, want %q, %v", c.in, c.limit, got, cut, c.want, c.cut)
			}
		})
	}
}

// What scripts and emoji need is left alone.
func TestCleanLeaves(t *testing.T) {
	for name, s := range map[string]string{
		"letters with marks":      "Zażółć gęślą jaźń, ŻÓŁĆ, Łódź, Ærøskøbing, naïve",
		"Vietnamese":              "Nguyễn Thị Minh Khai",
		"Chinese":                 "王小明",
		"Japanese, wide space":    "山田　太郎",
		"Korean":                  "김철수",
		"Arabic":                  "محمد بن سلمان، ٣",
		"Arabic number sign":      "\u0600٣",
		"Hebrew with points":      "שָׁלוֹם",
		"Persian":                 "می\u200cخواهم خانه\u200cها نامه\u200cای",
		"Persian, date":           "۱۴۰۰ ه\u200d.ش.",
		"Kurdish":                 "بێ\u200cهۆش",
		"Hindi half form":         "क्\u200dष",
		"Hindi without ligature":  "क्\u200cष",
		"Bengali":                 "র\u200d্যাব",
		"Sinhala":                 "ශ්\u200dරී ලංකා",
		"Malayalam chillu":        "ന്\u200d",
		"Modi":                    "𑘎𑘿\u200d𑘬",
		"Urdu":                    "بی\u200cشک",
		"Khmer":                   "ភាសាខ្មែរ",
		"Burmese":                 "ဝန်ကြီး တက္ကသိုလ်",
		"Tifinagh":                "ⴰⵣ\u2d7fⵓⵍ",
		"rare ideographs":         "\U0002ebf0\U00031350",
		"an emoji to come":        "\U0001fac8",
		"Mongolian":               "ᠮᠣᠩᠭᠣᠯ\u180b ᠰᠠᠷ\u180eᠠ",
		"Thai":                    "สมชาย",
		"flame":                   "🔥",
		"family":                  "👨\u200d👩\u200d👧",
		"skin tone":               "👍🏽 👩🏿\u200d🚀",
		"heart":                   "❤\ufe0f",
		"heart on fire":           "❤\ufe0f\u200d🔥",
		"judge":                   "👩\u200d⚖\ufe0f",
		"rainbow flag":            "🏳\ufe0f\u200d🌈",
		"key":                     "1\ufe0f\u20e3#\ufe0f\u20e3",
		"country":                 "🇵🇱",
		"flag made of tags":       england + scotland + wales,
		"copyright":               "©\ufe0f ™\ufe0f",
		"currency and typography": "10 € – “quoted” … ½",
	} {
		t.Run(name, func(t *testing.T) {
			if got, cut := Clean(s, len(s)); got != s || cut {
				t.Errorf("Clean(%+q) = %+q, %v", s, got, cut)
			}
		})
	}
}

// Whatever shows nothing is replaced within, before and behind a name.
func TestCleanReplacesEveryInvisible(t *testing.T) {
	drawn := []rune{0x0600, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x06dd, 0x070f, 0x0890, 0x0891, 0x08e2, 0x110bd, 0x110cd}
	blanks := []rune{0x2800, 0x13441, 0x13442, 0x16fe4, 0x1d159, 0xfffc, 0xfffd}
	tables := []*unicode.RangeTable{
		unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zs, unicode.Zl, unicode.Zp,
		unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point,
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		hidden := unicode.In(r, tables...) || strings.ContainsRune(string(blanks), r)
		if !hidden || r == ' ' || strings.ContainsRune(string(drawn), r) {
			continue
		}
		for _, in := range []string{"An" + string(r) + "na", string(r) + "Anna", "Anna" + string(r), "Anna 7" + string(r) + string(r)} {
			want := strings.ReplaceAll(in, string(r), "□")
			if got, _ := Clean(in, 100); got != want {
				t.Errorf("Clean(%+q) = %+q", in, got)
			}
		}
	}
}

// What is no character yet looks like any other that is none.
func TestCleanReplacesTheUnassigned(t *testing.T) {
	for _, r := range []rune{0x378, 0x5ff, 0x2fd8, 0x10fff, 0x1fffd, 0x40000, 0x51234, 0xdfffd} {
		want := "An□na"
		if unicode.IsGraphic(r) {
			continue // newer tables
		}
		if got, _ := Clean("An"+string(r)+"na", 100); got != want {
			t.Errorf("U+%04X: %+q", r, got)
		}
	}
}

// Joiners and selectors that change nothing hide a difference.
func TestCleanReplacesIdleJoiners(t *testing.T) {
	for _, c := range [][2]string{
		{"An\u200dna", "An□na"},
		{"An\u200cna", "An□na"},
		{"An\ufe0fna", "An□na"},
		{"admin1\ufe0f", "admin1□"},
		{"👨\u200d", "👨□"},
		{"👨\u200d\u200d👩", "👨□□👩"},
		{"❤\ufe0f\ufe0f", "❤\ufe0f□"},
		{"❤\ufe0e", "❤□"},
		{"王\ufe00", "王□"},
		{"葛\U000e0100", "葛□"},
		{"a\u3000b", "a□b"},
		{"山田\u3000", "山田□"},
		{"می\u200c", "می□"},
		{"\u200cم", "□م"},
		{"🏴\U000e0067\U000e007f", "🏴□□"},
		{"🏴\U000e0061\U000e0062\U000e0063\U000e007f", "🏴□□□□"},
		{"a\u180b\u200d", "a□□"},
		{"ᠮ\u180b\u180b", "ᠮ\u180b□"},
		{"د\u200cارا", "د□ارا"}, // dal never joins the next letter
		{"ا\u200dب", "ا□ب"},
		{"ء\u200cا", "ء□ا"},
		{"ب\u200ca", "ب□a"},
		{"ب\u200da", "ب□a"},
		{"क्\u200da", "क्□a"},
		{"a\u200d्", "a□्"},
		{"क्\u200c\ufe01", "क्□□"},
		{"a\u17d2b", "a□b"}, // nothing is put below a Latin letter
		{"a\u1039", "a□"},
		{"An\u2d7fna", "An□na"},
		{"An\U0001107fna", "An□na"},
		{"ក\u17d2\u17d2រ", "ក□□រ"},
		{"ក\u17d2\u200dរ", "ក□□រ"},
	} {
		if got, _ := Clean(c[0], 100); got != c[1] {
			t.Errorf("Clean(%+q) = %+q, want %+q", c[0], got, c[1])
		}
	}
}

// Whatever stands beside what, and wherever it is cut.
func TestCleanTwice(t *testing.T) {
	odd := []rune("aبدక្\u1039\u17d2\u2d7f\u200c\u200d\ufe0f\ufe01\u180b\u3000王ᠮ👍🏴\u20e31\u0301\u115f\u0378\u0600\U000e0067\u094d")
	for _, a := range odd {
		for _, b := range odd {
			for _, c := range odd {
				s := string([]rune{a, b, c})
				for limit := range len(s) + 1 {
					once, _ := Clean(s, limit)
					if twice, _ := Clean(once, 100); twice != once {
						t.Fatalf("Clean(%+q, %d) = %+q, then %+q", s, limit, once, twice)
					}
				}
			}
		}
	}
}

// What is kept of a long text decides what it costs.
func TestCleanCutsFirst(t *testing.T) {
	long := strings.Repeat("\u202e", 1<<20)
	if n := testing.AllocsPerRun(10, func() { _, _ = Clean(long, 2048) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
	got, cut := Clean(long, 2048)
	if want := strings.Repeat("□", 2048/3); got != want || !cut {
		t.Errorf("%d bytes, cut %v, want %d bytes", len(got), cut, len(want))
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{
		"", "Anna", "a\r\nb", "\xff\xfe", "\u202e", "日本", "\xed\xa0\x80", "a\u0085", "\ufffd", "\U000e0100\U000e0041",
		"👨\u200d👩", "❤\ufe0f\u200d🔥", "1\ufe0f\u20e3", england, "می\u200cخواهم", "ශ්\u200dරී", "ᠮ\u180b\u200d", "山\u3000田",
	} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit > 4096 {
			return
		}
		got, cut := Clean(s, limit)
		if len(got) > max(limit, 0) {
			t.Errorf("%d bytes, limit %d", len(got), limit)
		}
		if !utf8.ValidString(got) || strings.ContainsRune(got, utf8.RuneError) {
			t.Errorf("%q is not UTF-8, or holds U+FFFD", got)
		}
		if again, _ := Clean(got, limit); again != got {
			t.Errorf("cleaned again %q is %q", got, again)
		}
		if !cut && utf8.RuneCountInString(got) != utf8.RuneCountInString(s) {
			t.Errorf("%q became %q: characters are missing and it is not said", s, got)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	for name, s := range map[string]string{
		"ASCII":  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Polish": "Zażółć gęślą jaźń",
		"dirty":  "Anna\u200bKowalska",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Clean(s, 512)
			}
		})
	}
}
