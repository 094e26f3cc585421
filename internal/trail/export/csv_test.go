package export

import (
	"strings"
	"testing"
)

func TestNoCellIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"":                "",
		"anna":            "anna",
		"a=b":             "a=b",
		"=1+1":            "'=1+1",
		"+1+1":            "'+1+1",
		"-1+1":            "'-1+1",
		"@SUM(A1)":        "'@SUM(A1)",
		"\t=1":            "'\t'=1",
		"\r=1":            "'\r'=1",
		"  =1":            "  '=1",
		"\u00a0=1":        "\u00a0'=1",
		"＝1":              "'＝1",
		"|cmd":            "'|cmd",
		"%0A":             "'%0A",
		"-":               "'-",
		"-0.5":            "-0.5",
		"-Inf":            "'-Inf",
		"+5":              "'+5",
		"12.104":          "12.104",
		"2001:db8::1":     "2001:db8::1",
		"https://x/?a==1": "https://x/?a==1",
		// Whatever separates cells, none begins a formula.
		"x;=cmd|'/c calc'!A1":             "x;'=cmd|'/c calc'!A1",
		"x; =1":                           "x; '=1",
		"x,=1":                            "x,'=1",
		"x\t@SUM(A1)":                     "x\t'@SUM(A1)",
		"x\n+1":                           "x\n'+1",
		"x;\"=1\"":                        "x;\"'=1\"",
		"x|-1+cmd":                        "x|'-1+cmd",
		"x:=1":                            "x:'=1",
		"x =1":                            "x '=1",
		"x；＝1":                            "x；'＝1",
		"x^=1":                            "x^'=1",
		"x~-1+cmd":                        "x~'-1+cmd",
		"x｜=1":                            "x｜'=1",
		"x\x1f=1":                         "x\x1f'=1",
		"\x00=1":                          "\x00'=1",
		"\ufeff=1":                        "\ufeff'=1",
		"\u200b@SUM(A1)":                  "\u200b'@SUM(A1)",
		"x;\u200b=1":                      "x;\u200b'=1",
		"a - b":                           "a - b",
		"a; - b":                          "a; '- b",
		"a -b":                            "a '-b",
		"a, \"@b\"":                       "a, \"'@b\"",
		"rv:140.0) Gecko/20100101; en-US": "rv:140.0) Gecko/20100101; en-US",
	} {
		if got := safeCell(cell); got != want {
			t.Errorf("safeCell(%q) = %q, want %q", cell, got, want)
		}
	}
}

// A file for people is looked at in terminals as well.
func TestACellIsNoCommandToATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[31mred":          "□[31mred",
		"\u009b2J":             "□2J",
		"a\x00b\x07\x7f":       "a□b□□",
		"gpj.\u202eexe\u2066":  "gpj.□exe□",
		"two\nlines\tżółć 👩‍💻": "two\nlines\tżółć 👩‍💻",
	} {
		if got := strings.Map(shown, text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
