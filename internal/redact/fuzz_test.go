package redact

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// seed gives a fuzzer the corpus.
func seed(f *testing.F) {
	for _, file := range []string{"secret_values.txt", "harmless_values.txt", "secret_names.txt", "harmless_names.txt"} {
		for i, line := range corpus(f, file) {
			if i%3 == 0 || file == "secret_values.txt" {
				f.Add(line, "")
				f.Add("x="+line, "&y=1")
			}
		}
	}
	for _, s := range []string{"", "%", "%zz", "&&;;", "a=%", `{"a":"`, `\u`, "&#", "<", "//", "@", "\x00\xff", strings.Repeat("%25", 20) + "41", "…"} {
		f.Add(s, s)
	}
}

// FuzzURL looks for surroundings in which the value of a secret's name is
// recorded, for a URL that is too long, and for one that becomes another when
// it is recorded again.
func FuzzURL(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, plant) || len(before)+len(after) > 4096 || strings.Contains(before, "#") {
			return
		}
		r := hidePaths(t, "/reset/{token}")
		for _, query := range []string{
			before + "&token=" + plant + "&" + after,
			before + "&Api_Key=" + plant + ";" + after,
			before + "&user%5Bpassword%5D=" + plant + after,
			before + "&%74oken=" + plant + after,
			before + "&next=" + url.QueryEscape("/b?x=1&token="+plant) + "&" + after,
			before + "&v=" + url.QueryEscape(`{"password":"`+plant+`"}`) + after,
			before + "&x=" + "ghp_" + plant + "&" + after,
			before + "&next=" + url.QueryEscape("/reset/"+plant) + "&" + after,
		} {
			if len(query) > 1800 {
				continue // where it is cut, the name may be cut off the value, too
			}
			b, _ := r.AppendURL(nil, "/a", query, 2048)
			mustBeURL(t, r, query, string(b))
		}
		for _, path := range []string{"/a;token=" + plant + "/" + after, "/reset/" + plant, before + "/https://user:" + plant + "@host/" + after} {
			if strings.Contains(before, "?") || len(path) > 1800 {
				continue
			}
			b, _ := r.AppendURL(nil, path, "", 2048)
			mustBeURL(t, r, path, string(b))
		}
		b, _ := r.AppendURL(nil, before, after, 300)
		mustBeURL(t, r, before+"?"+after, string(b))
		if len(b) > 300 {
			t.Errorf("%d bytes of %q and %q", len(b), before, after)
		}
		got, _ := r.URL(before+after, 200)
		if len(got) > 200+len(Placeholder) {
			t.Errorf("%d bytes of %q", len(got), before+after)
		}
	})
}

func mustBeURL(t *testing.T, r *Redactor, in, got string) {
	t.Helper()
	if strings.Contains(got, plant) {
		t.Errorf("%q is recorded as %q", in, got)
	}
	if utf8.ValidString(in) && !utf8.ValidString(got) {
		t.Errorf("%q is recorded as %q: no UTF-8", in, got)
	}
	if len(got) > 2048 {
		t.Errorf("%d bytes of %q", len(got), in)
	}
}

// FuzzText looks for surroundings in which a secret stays in a text, and for a
// text that becomes another when it is recorded again.
func FuzzText(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, plant) || len(before)+len(after) > 2048 || strings.Contains(before+after, Placeholder) {
			return
		}
		var r Redactor
		for _, text := range []string{
			before + " token=" + plant + " " + after,
			before + ` {"password":"` + plant + `"} ` + after,
			before + " Bearer " + plant + " " + after,
			before + " ghp_" + plant + " " + after,
			before + " https://user:" + plant + "@host/ " + after,
			before + " token%3D" + plant + " " + after,
		} {
			got := r.Text(text)
			if strings.Contains(got, plant) {
				t.Errorf("%q is recorded as %q", text, got)
			}
			if r.Value(got) {
				t.Errorf("%q, recorded as %q, still holds a secret", text, got)
			}
		}
		once := r.Text(before)
		if again := r.Text(once); again != once {
			t.Errorf("%q, recorded as %q, becomes %q", before, once, again)
		}
		r.name(before)
		r.Header("Sec-Websocket-Protocol", before, 100)
	})
}

func FuzzNormalForm(f *testing.F) {
	for _, s := range []string{"", "%41", "%e6%97%a5", "%", "%%341", "%zz", "a b", "日本", "%E2%80%8B", "%f0%9f%91%a9%e2%80%8d%f0%9f%92%bb", "\xff", "%ff%41", "%C3ż"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := string(appendNormal(nil, s))
		if again := string(appendNormal(nil, once)); again != once {
			t.Errorf("%q, normal %q, becomes %q", s, once, again)
		}
		if !utf8.ValidString(once) {
			t.Errorf("%q becomes %q: no UTF-8", s, once)
		}
		if plain := percentDecode(strings.ReplaceAll(once, "%25", "%")); utf8.ValidString(s) && !strings.Contains(s, "%") && plain != s && once == s {
			t.Errorf("%q becomes %q", s, once)
		}
	})
}
