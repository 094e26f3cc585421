package redact

import (
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	var r Redactor
	r.Hide("customer")
	r.Show("badge_code")
	for target, want := range map[string]string{
		"/a?page=2&order=name":                              "/a?page=2&order=name",
		"/a?token=abc":                                      "/a?token=REDACTED",
		"/a?TOKEN=abc&x=1":                                  "/a?TOKEN=REDACTED&x=1",
		"/a?x=1;token=abc":                                  "/a?x=1;token=REDACTED",
		"/a?token=abc;def":                                  "/a?token=REDACTED;REDACTED",
		"/a?token=abc;x=def":                                "/a?token=REDACTED;x=REDACTED",
		"/a?token=abc=def":                                  "/a?token=REDACTED",
		"/a?%74oken=abc":                                    "/a?token=REDACTED",
		"/a?token":                                          "/a?token",
		"/a?token=":                                         "/a?token=",
		"/a?&&=&":                                           "/a?&&=&",
		"/a?=x":                                             "/a?=x",
		"/a?user%5bpassword%5d=x":                           "/a?user%5Bpassword%5D=REDACTED",
		"/a?Customer=7":                                     "/a?Customer=REDACTED",
		"/a?next=%2Fb%3Fcustomer%3D7":                       "/a?next=REDACTED",
		"/a?badge_code=blue":                                "/a?badge_code=blue",
		"/a?badge_code=ghp_0123456789abcdef":                "/a?badge_code=REDACTED",
		"/a?next=https%3A%2F%2Fu%3Ap%40h%2F":                "/a?next=REDACTED",
		"/a?next=//u:p@h/":                                  "/a?next=REDACTED",
		"/a?next=%2Fb%3Fpage%3D2":                           "/a?next=%2Fb%3Fpage%3D2",
		"/a?next=%2Fb%3Fpage%3D2%26token%3Dabc":             "/a?next=REDACTED",
		"/a?next=%252Fb%253Ftoken%253Dabc":                  "/a?next=REDACTED",
		"/a?mail=anna%40example.com":                        "/a?mail=anna%40example.com",
		"/a?password%3Dx":                                   "/a?REDACTED",
		"/a;jsessionid=1F2E;x=2/b;y=3?z=4":                  "/a;jsessionid=REDACTED;x=2/b;y=3?z=4",
		"/proxy/https://user:pw@host/x?y=1":                 "/proxy/https://REDACTED@host/x?y=1",
		"/proxy/https:/user:pw@host/x":                      "/proxy/https:/REDACTED@host/x",
		"/proxy/https://token@host/x":                       "/proxy/https://REDACTED@host/x",
		"/users/anna@example.com/edit":                      "/users/anna@example.com/edit",
		`/a?v={"password":"a&b"}&x=1`:                       "/a?v=REDACTED&REDACTED&x=1",
		"/reset/8f3a9c2b1d7e6f5a4b3c2d1e0f9a8b":             "/reset/REDACTED",
		"/users/8f3a9c2b1d7e6f5a4b3c2d1e0f9a8b":             "/users/8f3a9c2b1d7e6f5a4b3c2d1e0f9a8b",
		"/users/7/reset":                                    "/users/7/reset",
		"/a?state=NY":                                       "/a?state=NY",
		"/a?state=af0ifjsldkj":                              "/a?state=REDACTED",
		"/a?state=550e8400-e29b-41d4-a716-446655440000":     "/a?state=REDACTED",
		"/a?ticket_id=550e8400-e29b-41d4-a716-446655440000": "/a?ticket_id=550e8400-e29b-41d4-a716-446655440000",
		"/a?ticket=7874":                                    "/a?ticket=7874",
		"/a?remember_me=1":                                  "/a?remember_me=1",
		"/a?token_type=bearer&max_tokens=100":               "/a?token_type=bearer&max_tokens=100",
		"/a?password_changed_at=2025-11-25T10:00:00Z":       "/a?password_changed_at=2025-11-25T10:00:00Z",

		// The readable form: RFC 3986 6.2.2, RFC 3987.
		"/admin/clients/%37%38%37%34":                  "/admin/clients/7874",
		"/krak%c3%b3w/%E6%97%A5%e6%9c%ac/%F0%9F%94%A5": "/kraków/日本/🔥",
		"/a?q=%c5%bc%C3%B3%C5%82w":                     "/a?q=żółw",
		"/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB":           "/👩\u200d💻",
		"/a%2fb%3fc%20d%00%0a%7f":                      "/a%2Fb%3Fc%20d%00%0A%7F",
		"/a?x=%26%3D%2B%23+%20":                        "/a?x=%26%3D%2B%23+%20",
		"/a%E2%80%8Bb%E2%80%AEc%C2%85":                 "/a%E2%80%8Bb%E2%80%AEc%C2%85",
		"/a%ff%fe%c3":                                  "/a%FF%FE%C3",
		"/%2541":                                       "/%2541",
		"/a?x=%%341":                                   "/a?x=%2541",
		"/a?x=100%&y=%zz":                              "/a?x=100%25&y=%25zz",
		"/%e2%80%8bkrak%c3%b3w":                        "/%E2%80%8Bkraków",
	} {
		if got := request(&r, target); got != want {
			t.Errorf("%s\n got %s\nwant %s", target, got, want)
		}
		if got := request(&r, want); got != want {
			t.Errorf("%s, recorded as %s, becomes %s", target, want, got)
		}
	}
}

func TestEveryQueryValueCanBeHidden(t *testing.T) {
	var r Redactor
	r.Hide("*")
	if got, want := request(&r, "/a?a=1&b=&c&d=x;e=2"), "/a?a=REDACTED&b=&c&d=REDACTED;e=REDACTED"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Nothing a client makes long hides what stands behind it.
func TestLongPartsAreCutOneByOne(t *testing.T) {
	var r Redactor
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name, target string
		want         []string
	}{
		{"value", "/admin/clients?pad=" + long + "&action=delete&id=7", []string{"/admin/clients?pad=xxx", "…&action=delete&id=7"}},
		{"values", "/a?a=" + long + "&b=" + long + "&c=" + long + "&id=7", []string{"/a?a=x", "&b=x", "&c=x", "&id=7"}},
		{"name", "/a?" + long + "=1&id=7", []string{"/a?xxx", "…&id=7"}},
		{"piece without a name", "/a?" + long + "&id=7", []string{"/a?xxx", "…&id=7"}},
		{"many values", "/a?" + strings.Repeat("p="+long[:40]+"&", 60) + "id=7", []string{"/a?p=x", "&id=7"}},
		{"segment", "/admin/" + long + "/delete?id=7", []string{"/admin/xxx", "…/delete?id=7"}},
		{"a megabyte", "/admin?pad=" + strings.Repeat("x%41", 1<<18) + "&id=7", []string{"/admin?pad=xAxA", "…&id=7"}},
		{"escapes", "/a?pad=" + strings.Repeat("%20", 2000) + "&id=7", []string{"/a?pad=%20", "…&id=7"}},
		{"letters of another script", "/a?pad=" + strings.Repeat("%E6%97%A5", 2000) + "&id=7", []string{"/a?pad=日", "…&id=7"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, query, _ := strings.Cut(c.target, "?")
			b, cut := r.AppendURL(nil, path, query, 2048)
			rest := string(b)
			for _, w := range c.want {
				_, behind, ok := strings.Cut(rest, w)
				if !ok {
					t.Errorf("no %q in %.200s … %s", w, b, b[max(0, len(b)-100):])
				}
				rest = behind
			}
			if !cut || len(b) > 2048 {
				t.Errorf("%d bytes, cut %v", len(b), cut)
			}
		})
	}
}

func TestASecretIsNotCutInTwo(t *testing.T) {
	var r Redactor
	token := "eyJhbGciOiJSUzI1NiJ9." + strings.Repeat("QUJD", 900) + "." + strings.Repeat("c2ln", 80)
	for _, target := range []string{
		"/a?x=" + token, "/a?" + token, "/a/" + token + "/b", "/a?x=" + strings.Repeat("y", 990) + "%20" + token, "/a?x=Bearer%20" + token,
		"/a?next=https://user:" + strings.Repeat("hunter2", 900) + "@host/", "/a?x=%7B%22password%22:%22" + strings.Repeat("hunter2", 900) + "%22%7D",
		"/a?" + strings.Repeat("a=b&", 300) + "token=" + token,
	} {
		got := request(&r, target)
		for _, part := range []string{"eyJhbGci", "QUJDQUJD", "c2lnc2ln", "hunter2"} {
			if strings.Contains(got, part) {
				t.Errorf("%.80s… is recorded as %.300s", target, got)
			}
		}
	}
}

func TestURLsInText(t *testing.T) {
	var r Redactor
	for in, want := range map[string]string{
		"https://u:p@h/x?token=1&a=2#frag": "https://h/x?token=REDACTED&a=2",
		"https://u:p@h":                    "https://h",
		"https://h/x#access_token=1":       "https://h/x",
		"//u:p@h/x":                        "//h/x",
		"/x?token=1":                       "/x?token=REDACTED",
		"https://h/krak%C3%B3w?q=%C5%BC":   "https://h/kraków?q=ż",
		"https://u:p/w@h/x":                "REDACTED@h/x",
		"":                                 "",
		"about:client":                     "about:client",
		"https://h/verify/eyJhbGciOiJIUzI1NiJ9.e30.": "https://h/verify/REDACTED",
	} {
		got, _ := r.URL(in, 512)
		if got != want && (!strings.HasPrefix(want, "REDACTED@") || strings.Contains(got, "p/w")) {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for _, long := range []string{"https://" + strings.Repeat("h", 9000) + "/x", "https://h/" + strings.Repeat("x/", 9000), "https://h/?x=" + strings.Repeat("y", 9000)} {
		if got, cut := r.URL(long, 512); len(got) > 512 || !cut {
			t.Errorf("%.40s…: %d bytes, cut %v", long, len(got), cut)
		}
	}
}

func TestTextsKeepWhatIsNoSecret(t *testing.T) {
	var r Redactor
	for in, want := range map[string]string{
		"client 7731: dsn=mysql://root:pw@db/panel set": "client 7731: dsn=mysql://REDACTED@db/panel set",
		"called https://h/x?token=abc&page=2 twice":     "called https://h/x?token=REDACTED&page=2 twice",
		"Bearer abcdef123456 was refused":               "Bearer REDACTED was refused",
		"key ghp_0123456789abcdef rotated":              "key REDACTED rotated",
		`{"email":"anna@example.com","password":"x"}`:   `{"email":"anna@example.com","password":"REDACTED"}`,
		"card 4111 1111 1111 1111, order 7":             "card REDACTED, order 7",
		"password: correct horse battery staple":        "password: REDACTED",
		"sid=abc; theme=dark":                           "sid=REDACTED; theme=dark",
		"password reset to hunter2 for 7731":            "password reset to REDACTED for 7731",
		"the password is hunter2.":                      "the password is REDACTED",
		"PIN was changed to 4839":                       "PIN was changed to REDACTED",
		"password -> hunter2":                           "password -> REDACTED",
		"otp 483920 sent":                               "otp REDACTED sent",
		"password was changed by admin7":                "password was changed by admin7",
		"password for user7 changed 2026-01-02":         "password for user7 changed 2026-01-02",
		"password policy: draft":                        "password policy: draft",
		"password reset for anna@example.com":           "password reset for anna@example.com",
		"a p%61ssword%3Dx b":                            "a REDACTED b",
	} {
		if got := r.Text(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	var r Redactor
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"
	for _, c := range [][3]string{
		{"Referer", "https://u:p@h/x?token=1&a=2#frag", "https://h/x?token=REDACTED&a=2"},
		{"Origin", "https://panel.example", "https://panel.example"},
		{"Destination", "https://h/x?token=1", "https://h/x?token=REDACTED"},
		{"X-Original-Url", "/x?token=1", "/x?token=REDACTED"},
		{"X-Rewrite-Url", "/x;jsessionid=1", "/x;jsessionid=REDACTED"},
		{"Link", `<https://h/x?token=abc>; rel="next", </y>; rel="prev"`, `<https://h/x?token=REDACTED>; rel="next", </y>; rel="prev"`},
		{"Refresh", "0; url=/x?token=abc", "0; url=/x?token=REDACTED"},
		{"X-Amzn-Oidc-Data", jwt, "REDACTED"},
		{"X-Amzn-Oidc-Data", "opaque", "REDACTED"},
		{"Dpop", jwt, "REDACTED"},
		{"X-Ms-Client-Principal", "eyJhdXRoX3R5cCI6ImFhZCJ9", "REDACTED"},
		{"X-Anything", jwt, "REDACTED"},
		{"Sec-Websocket-Protocol", "base64url.bearer.authorization.k8s.io.ZXlKaGJHYw, base64.channel.k8s.io", "REDACTED, base64.channel.k8s.io"},
		{"Sec-Websocket-Protocol", "access_token, hunter2", "access_token, REDACTED"},
		{"Sec-Websocket-Protocol", "Bearer, hunter2", "Bearer, REDACTED"},
		{"Sec-Websocket-Protocol", "chat, " + jwt, "chat, REDACTED"},
		{"Sec-Websocket-Protocol", "graphql-transport-ws,graphql-ws", "graphql-transport-ws,graphql-ws"},
		{"Sec-Websocket-Protocol", "v12.stomp, mqtt, wamp.2.json", "v12.stomp, mqtt, wamp.2.json"},
		{"X-Forwarded-User", "anna@example.com", "anna@example.com"},
		{"X-Cookies-Sent", "sid=hunter2; theme=dark", "REDACTED"},
		{"X-Debug", "sid=hunter2; theme=dark", "sid=REDACTED; theme=dark"},
		{"Accept-Language", "pl,en;q=0.8", "pl,en;q=0.8"},
		{"Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
		{"If-None-Match", `W/"33a64df551425fcc55e4d42a148795d9f25f89d4"`, `W/"33a64df551425fcc55e4d42a148795d9f25f89d4"`},
		{"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{"X-Request-Id", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
		{"Authorization", "hunter2", "REDACTED"},
	} {
		if got, _ := r.Header(c[0], c[1], 512); got != c[2] {
			t.Errorf("%s: %s\n got %s\nwant %s", c[0], c[1], got, c[2])
		}
	}
}
