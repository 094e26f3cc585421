package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// nasty are values that try to be more than a value: of lines, of logfmt, of
// patterns, of what shows them.
var nasty = []string{
	`x" email=evil@example.com ip="6.6.6.6`,
	`x email=evil@example.com ip=6.6.6.6 id=1`,
	`\" status=204 note="nothing happened`,
	"x\tsession=evil request=evil ms=1\tseq=1",
	"x\nline=two email=evil@example.com",
	"x\r\n\r\ntype=WEB method=GET",
	`\u0009seq=9 \x09seq=9 \tseq=9`,
	"\x00\x1b[2Jgone\x07",
	"a\u202eevil\u2066b\u200bc\ufeffd\u2028e",
	"a\ufffd\u034f\u115f\u3164\u2800\ufe0fb",
	"a\xff\xfe\xc0\xafb",
	"{{.email}} ${email} `|= \"\" |~ `",
	`-`, `=`, `"`, `\`,
	`<script>alert(1)</script>`,
	`=cmd|'/c calc'!A1`,
	strings.Repeat(`"\`, 400),
}

// forgeries write such values into every field that a client can reach.
func forgeries() []attack {
	var attacks []attack
	for i, value := range nasty {
		name := func(field string) string { return fmt.Sprintf("forge-%s-%02d", field, i+1) }
		honest := want{email: "anna@example.com", method: "GET", lacks: []string{"\ufffd"}}
		attacks = append(attacks,
			attack{name: name("path"), request: request{target: "/admin/api/clients/" + url.PathEscape(value), as: "anna"}, want: honest},
			attack{name: name("query"), request: request{target: "/admin/api/clients?search=" + url.QueryEscape(value), as: "anna"}, want: honest},
			attack{name: name("tried"), request: request{method: "POST", target: "/admin/login", headers: form, body: url.Values{"email": {value}, "password": {"no"}}.Encode()},
				want: want{method: "POST", email: "-", status: 401}},
			attack{name: name("note"), request: request{method: "POST", target: "/admin/api/clients", as: "anna", body: clientNamed(value)},
				want: want{method: "POST", email: "anna@example.com", lines: 1}},
		)
		// A header can't hold control characters, but for the TAB.
		if header := inHeader(value); header != "" {
			attacks = append(attacks,
				attack{name: name("agent"), request: request{agent: header, as: "anna"}, want: honest},
				attack{name: name("request-id"), request: request{as: "anna", headers: []string{"X-Request-Id: " + header}}, want: honest},
			)
		}
	}
	basic := func(user string) []string {
		return []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":no"))}
	}
	nobody := want{email: "-", status: 401}
	attacks = append(attacks,
		attack{name: "forge-basic-quote", request: request{headers: basic(nasty[0])}, want: nobody},
		attack{name: "forge-basic-tab", request: request{headers: basic(nasty[3])}, want: nobody},
		attack{name: "forge-basic-known", request: request{headers: basic("anna@example.com")}, want: nobody},
		attack{name: "forge-basic-known-spaced", request: request{headers: basic(" ANNA@example.com ")}, want: nobody},
		attack{name: "forge-method-words", request: request{method: "GET|email|ip", as: "anna"}, want: want{method: "_OTHER"}},
		attack{name: "forge-method-percent", request: request{method: "%09%0a", as: "anna"}, want: want{method: "_OTHER"}},
		attack{name: "forge-method-replaced", request: request{method: "_OTHER", as: "anna"}, want: want{method: "_OTHER", sent: "_OTHER"}},
		attack{name: "forge-method-started", request: request{method: "started", as: "anna"}, want: want{method: "_OTHER", sent: "started", status: 405}},
		attack{name: "forge-host-word", request: request{host: "x=y,email=evil", as: "anna"}, want: want{email: "anna@example.com"}},
		attack{name: "forge-host-percent", request: request{host: "x%22%20email%3devil", as: "anna"}, want: want{email: "anna@example.com"}},
		attack{name: "forge-scheme", from: proxyAddress, request: request{as: "anna", headers: []string{"X-Forwarded-For: 203.0.113.70", `X-Forwarded-Proto: javascript" email="evil`}},
			want: want{ip: "203.0.113.70", urlHas: []string{"http://panel.example/"}}},
		attack{name: "forge-forwarded-host", from: proxyAddress, request: request{as: "anna", headers: []string{"X-Forwarded-For: 203.0.113.71", `X-Forwarded-Host: evil" email="evil`}},
			want: want{ip: "203.0.113.71", urlHas: []string{"http://panel.example/"}}},
		attack{name: "forge-identity-headers", request: request{headers: []string{"X-Remote-User: anna@example.com", "X-Forwarded-User: anna", "X-Forwarded-Email: anna@example.com", "Remote-User: anna", "X-User-Id: 2"}}, want: nobody},
		attack{name: "forge-session", request: request{target: "/admin/", headers: []string{"Cookie: panel_session=" + strings.Repeat("A", 26)}}, want: want{email: "-", status: 303}},
		attack{name: "forge-trace", request: request{as: "anna", headers: []string{`traceparent: 00-" email=evil-01`, `tracestate: x="y`, `baggage: email=evil@example.com`}}, want: want{email: "anna@example.com"}},
		attack{name: "forge-two-agents", request: request{as: "anna", headers: []string{"User-Agent: other"}}, want: want{email: "anna@example.com"}},
		attack{name: "forge-two-tokens", request: request{as: "anna", headers: []string{"Authorization: Bearer demo-token-rory"}}, want: want{email: "anna@example.com"}},
	)
	// What was tried stands there as it was typed, or as what stands for it, but
	// never as a key of the line.
	for i := range attacks {
		a := &attacks[i]
		if a.check == nil {
			a.check = func(t *testing.T, _ *attack, lines []line) {
				for _, l := range lines {
					for _, word := range strings.Fields(l.people())[:6] {
						if strings.Contains(word, "evil") {
							t.Errorf("the word %s was forged", word)
						}
					}
				}
			}
		}
	}
	return attacks
}

// clientNamed is a client that the API takes, or refuses for the name alone.
func clientNamed(name string) string {
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err) // strings can always be written
	}
	return fmt.Sprintf(`{"name":%s,"email":"forged@example.net","country":"PL"}`, quoted)
}

func inHeader(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s))
}
