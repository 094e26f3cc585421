package instrumentation

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestSecretNames(t *testing.T) {
	for _, name := range []string{
		"token", "access_token", "accessToken", "ACCESS-TOKEN", "csrf_token", "password", "new_password", "userPassword", "user[password]",
		"passwd", "pass", "pwd", "secret", "client_secret", "key", "api_key", "apikey", "apiKey", "APIKey", "signingKey", "X-Amz-Signature", "sig",
		"code", "session", "session_id", "PHPSESSID", "sid", "auth", "Authorization", "jwt", "SAMLResponse", "otp", "credential", "cookie", "X-Api-Key",
	} {
		if !isSecretName(name) {
			t.Errorf("%q is not taken for a secret", name)
		}
	}
	for _, name := range []string{"", "page", "monkey", "keyboard", "donkeys", "author", "passenger", "compass", "zip_code", "country_code", "statusCode", "design", "sort", "q", "id"} {
		if isSecretName(name) {
			t.Errorf("%q is taken for a secret", name)
		}
	}
}

func TestRedactedURLs(t *testing.T) {
	mustPath := func(s string) pathPattern {
		p, err := parsePathPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	d := redaction{
		hidden: map[string]bool{"customer": true},
		shown:  map[string]bool{"sort_key": true},
		paths:  []pathPattern{mustPath("/invite/{token}/accept"), mustPath("/*/reset/{token}"), mustPath("/files/{rest...}")},
	}
	for in, want := range map[string]string{
		"/a?page=2&order=name":                  "/a?page=2&order=name",
		"/a?token=abc":                          "/a?token=REDACTED",
		"/a?TOKEN=abc&x=1":                      "/a?TOKEN=REDACTED&x=1",
		"/a?x=1;token=abc":                      "/a?x=1;token=REDACTED",
		"/a?token=abc=def":                      "/a?token=REDACTED",
		"/a?%74oken=abc":                        "/a?%74oken=REDACTED",
		"/a?token":                              "/a?token",
		"/a?token=":                             "/a?token=",
		"/a?&&=&":                               "/a?&&=&",
		"/a?user%5Bpassword%5D=x":               "/a?user%5Bpassword%5D=REDACTED",
		"/a?Customer=7":                         "/a?Customer=REDACTED",
		"/a?sort_key=name":                      "/a?sort_key=name",
		"/a?sort_key=eyJhbGciOi.eyJzdWIi.c2ln":  "/a?sort_key=REDACTED",
		"/a?next=https%3A%2F%2Fu%3Ap%40h%2F":    "/a?next=REDACTED",
		"/a?next=//u:p@h/":                      "/a?next=REDACTED",
		"/a?next=%2Fb%3Fpage%3D2":               "/a?next=%2Fb%3Fpage%3D2",
		"/a?next=%2Fb%3Fpage%3D2%26token%3Dabc": "/a?next=REDACTED",
		"/a?next=%252Fb%253Ftoken%253Dabc":      "/a?next=REDACTED",
		"/a?mail=anna%40example.com":            "/a?mail=anna%40example.com",
		"/invite/s3cr3t/accept":                 "/invite/REDACTED/accept",
		"/invite/s3cr3t/accept/":                "/invite/REDACTED/accept/",
		"/invite/s3cr3t/other":                  "/invite/s3cr3t/other",
		"/admin/reset/s3cr3t?x=1":               "/admin/reset/REDACTED?x=1",
		"/files/a/b/c":                          "/files/REDACTED",
		"/a%2Fb":                                "/a%2Fb",
	} {
		u, err := url.ParseRequestURI(in)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{URL: u, Host: "h"}
		if got := string(d.appendURL(nil, r, &origin{})); got != "http://h"+want {
			t.Errorf("%s\n got %s\nwant http://h%s", in, got, want)
		}
	}
}

func TestEveryQueryValueCanBeHidden(t *testing.T) {
	d := redaction{all: true}
	if got, want := string(d.appendQuery(nil, "a=1&b=&c&d=x;e=2")), "a=REDACTED&b=&c&d=REDACTED;e=REDACTED"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestURLsInHeadersAreRedacted(t *testing.T) {
	var d redaction
	for in, want := range map[string]string{
		"https://u:p@h/x?token=1&a=2#frag": "https://h/x?token=REDACTED&a=2",
		"https://u:p@h":                    "https://h",
		"/x?token=1":                       "/x?token=REDACTED",
		"":                                 "",
	} {
		if got := string(d.appendURLText(nil, in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestPathPatternsThatSayNothingAreRefused(t *testing.T) {
	for _, s := range []string{"", "invite/{token}", "/invite", "/invite/{}", "/a{token}", "/{rest...}/x", "/*/x"} {
		if _, err := parsePathPattern(s); err == nil {
			t.Errorf("pattern %q is accepted", s)
		}
	}
}

// FuzzRedaction looks for a way in which the value of a secret parameter gets
// into the URL.
func FuzzRedaction(f *testing.F) {
	for _, s := range []string{"", "a=1", "a=1&", "a=1;", "%", "%zz=", "a=%", "next=/b?", "&&;;", "\x00\xff"} {
		f.Add(s, s)
	}
	const secret = "s3cr3tvalue"
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, secret) {
			return
		}
		var d redaction
		for _, parameter := range []string{"token=", "Api_Key=", "user%5Bpassword%5D=", "%74oken="} {
			raw := before + "&" + parameter + secret + "&" + after
			u := &url.URL{Path: "/x", RawQuery: raw}
			if got := string(d.appendURL(nil, &http.Request{URL: u, Host: "h"}, &origin{})); strings.Contains(got, secret) {
				t.Errorf("%q became %q", raw, got)
			}
		}
		// What a browser sends back as a return address.
		nested := before + "&next=" + url.QueryEscape("/b?x=1&token="+secret)
		if got := string(d.appendQuery(nil, nested)); strings.Contains(got, secret) {
			t.Errorf("%q became %q", nested, got)
		}
		p, err := parsePathPattern("/i/{x}")
		if err != nil {
			t.Fatal(err)
		}
		d.paths = []pathPattern{p}
		_ = d.appendPath(nil, before) // must not panic
		_ = d.appendURLText(nil, before)
	})
}
