package redact

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plant is a secret that is put behind names.
const plant = "Zq8rT3xW9kLm2vNb5cHd"

// corpus reads a file of testdata: a line each, without comments.
func corpus(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "·", "")
		if line != "" && !strings.HasPrefix(line, "# ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// request makes what is recorded of a request for a target, as it stands on the
// request line.
func request(r *Redactor, target string) string {
	path, query, _ := strings.Cut(target, "?")
	b, _ := r.AppendURL(nil, path, query, 2048)
	return string(b)
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// notations are the ways in which a name and its value get into a URL.
var notations = []struct {
	name string
	url  func(name, value string) string
}{
	{"query", func(n, v string) string { return "/a?" + n + "=" + v }},
	{"query, escaped", func(n, v string) string { return "/a?x=1&" + url.QueryEscape(n) + "=" + v + "&y=2" }},
	{"query, every letter escaped", func(n, v string) string { return "/a?" + escapeAll(n) + "=" + v }},
	{"query, divided by semicolons", func(n, v string) string { return "/a?x=1;" + n + "=" + v }},
	{"equals sign escaped", func(n, v string) string { return "/a?" + url.QueryEscape(n+"="+v) }},
	{"parameter of a path", func(n, v string) string { return "/a;" + n + "=" + v + "/b" }},
	{"segment of a path", func(n, v string) string { return "/a/" + n + "=" + v }},
	{"fragment", func(n, v string) string { return "/a#" + n + "=" + v }},
	{"fragment behind a query", func(n, v string) string { return "/a?x=1#" + n + "=" + v }},
	{"URL in a query", func(n, v string) string { return "/a?next=" + url.QueryEscape("/b?x=1&"+n+"="+v) }},
	{"URL in a query, escaped twice", func(n, v string) string {
		return "/a?next=" + url.QueryEscape(url.QueryEscape("https://h.example/b?"+n+"="+v))
	}},
	{"URL in a query, behind a broken escape", func(n, v string) string { return "/a?next=100%zz" + url.QueryEscape("?"+n+"="+v) }},
	{"URL in a path", func(n, v string) string { return "/proxy/" + url.PathEscape("https://h.example/?"+n+"="+v) }},
	{"JSON", func(n, v string) string {
		return "/a?variables=" + url.QueryEscape(`{"a":1,`+quoted(n)+`:`+quoted(v)+`}`)
	}},
	{"JSON, not escaped", func(n, v string) string { return `/a?variables={"a":1,` + quoted(n) + `:` + quoted(v) + `}` }},
	{"JSON within JSON", func(n, v string) string {
		return "/a?variables=" + url.QueryEscape(`{"a":`+quoted(`{`+quoted(n)+`:`+quoted(v)+`}`)+`}`)
	}},
	{"JSON in a path", func(n, v string) string { return "/a/" + url.PathEscape(`{`+quoted(n)+`:`+quoted(v)+`}`) }},
	{"list of names and values", func(n, v string) string {
		return "/a?filter=" + url.QueryEscape(`[{"name":`+quoted(n)+`,"value":`+quoted(v)+`}]`)
	}},
	{"GraphQL", func(n, v string) string {
		return "/a?query=" + url.QueryEscape(`mutation{login(`+n+`:`+quoted(v)+`){id}}`)
	}},
	{"XML", func(n, v string) string { return "/a?x=" + url.QueryEscape(`<`+n+`>`+v+`</`+n+`>`) }},
	{"connection string", func(n, v string) string { return "/a?dsn=" + url.QueryEscape("host=db user=root "+n+"="+v) }},
	{"sentence", func(n, v string) string { return "/a?q=" + url.QueryEscape(n+": "+v) }},
}

func escapeAll(s string) string {
	var b []byte
	for i := range len(s) {
		b = appendEscape(b, s[i])
	}
	return string(b)
}

func TestWhatStandsBehindASecretsNameIsLeftOut(t *testing.T) {
	var r Redactor
	for _, name := range corpus(t, "secret_names.txt") {
		weak := r.encodedName(name) != always // a list in quotes says too little
		for _, n := range notations {
			if weak && n.name == "list of names and values" ||
				n.name == "XML" && strings.ContainsAny(name, "[]%") || n.name == "GraphQL" && strings.Contains(name, "%") {
				continue
			}
			target := n.url(name, plant)
			if got := request(&r, target); strings.Contains(got, plant) {
				t.Errorf("%s: %s: %s\nis recorded as %s", name, n.name, target, got)
			}
		}
		for _, text := range []string{name + "=" + plant, "client 7: " + name + "=" + plant + ", done", name + ": " + plant} {
			if got := r.Text(text); strings.Contains(got, plant) {
				t.Errorf("%q is recorded as %q", text, got)
			}
		}
	}
}

func TestNamesThatOnlyLookLikeASecretsAreShown(t *testing.T) {
	var r Redactor
	for _, name := range corpus(t, "harmless_names.txt") {
		for _, target := range []string{
			"/a?" + name + "=Value7", "/a?x=1&" + strings.ToUpper(name) + "=Value7", "/a;" + name + "=Value7/b", "/" + name + "/Value7",
			"/a?next=/b?" + name + "=Value7",
		} {
			if got := request(&r, target); got != target {
				t.Errorf("%s is recorded as %s", target, got)
			}
		}
	}
}

// probes are parts of a secret that must not be seen.
func probes(secret string) []string {
	if strings.Contains(secret, "hunter2") {
		return []string{"hunter2"}
	}
	if strings.Contains(secret, plant) {
		return []string{plant}
	}
	var list []string
	for _, run := range strings.FieldsFunc(secret, func(c rune) bool { return c > 0x7f || !isAlnum(byte(c)) }) {
		if len(run) >= 8 && strings.ContainsAny(run, "0123456789") {
			list = append(list, run)
		}
	}
	if len(list) == 0 {
		list = []string{secret}
	}
	return list
}

func TestValuesThatGiveThemselvesAwayAreLeftOut(t *testing.T) {
	var r Redactor
	for _, secret := range corpus(t, "secret_values.txt") {
		for _, target := range []string{
			"/a?x=" + url.QueryEscape(secret),
			"/a?x=" + strings.ReplaceAll(url.PathEscape(secret), "&", "%26"),
			"/a?x=" + escapeAll(secret),
			"/a?x=1&y=" + url.QueryEscape("before "+secret+" behind"),
			"/a?x=" + url.QueryEscape(url.QueryEscape(secret)),
			"/a?x=" + url.QueryEscape(`{"a":`+quoted(secret)+`}`),
			"/a?x=" + url.QueryEscape("/b?y="+url.QueryEscape(secret)),
			"/a?" + url.QueryEscape(secret),
			"/a?" + url.QueryEscape(secret) + "=1",
			"/a/" + url.PathEscape(secret),
			"/a/" + url.PathEscape(secret) + "/b",
			"/a;x=" + url.PathEscape(secret),
		} {
			got := decodeAll(request(&r, target))
			for _, p := range probes(secret) {
				if strings.Contains(got, p) {
					t.Errorf("%q: %s\nis recorded as %s", secret, target, got)
				}
			}
		}
		for _, text := range []string{secret, "client 7731: " + secret, "a\t" + secret + " "} {
			got := decodeAll(r.Text(text))
			for _, p := range probes(secret) {
				if strings.Contains(got, p) {
					t.Errorf("%q is recorded as %q", text, got)
				}
			}
			if again := r.Text(r.Text(text)); again != r.Text(text) {
				t.Errorf("%q, recorded as %q, becomes %q", text, r.Text(text), again)
			}
		}
	}
}

func TestValuesThatOnlyLookLikeSecretsAreShown(t *testing.T) {
	var r Redactor
	for _, value := range corpus(t, "harmless_values.txt") {
		for _, target := range []string{"/a?x=" + url.QueryEscape(value), "/a?x=" + strings.ReplaceAll(url.PathEscape(value), "&", "%26"), "/a/" + url.PathEscape(value) + "/b"} {
			got, want := request(&r, target), decodeAll(target)
			if strings.Contains(got, Placeholder) || decodeAll(got) != want {
				t.Errorf("%s\nis recorded as %s", target, got)
			}
		}
		if got := r.Text(value); got != value {
			t.Errorf("%q is recorded as %q", value, got)
		}
	}
}

func TestRequestsOfPanelsAreShown(t *testing.T) {
	var r Redactor
	for _, target := range corpus(t, "harmless_urls.txt") {
		if got := request(&r, target); strings.Contains(got, Placeholder) || decodeAll(got) != decodeAll(target) {
			t.Errorf("%s\nis recorded as %s", target, got)
		}
	}
}
