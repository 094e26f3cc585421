package attack

import (
	"fmt"
	"strings"
	"testing"
)

// spoofs claim another address. A stranger's word counts for nothing; a trusted
// proxy's counts as far as the proxy itself could see.
func spoofs() []attack {
	var attacks []attack
	for i, header := range []string{
		"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6;proto=https;host=evil.example",
		"CF-Connecting-IP: 6.6.6.6", "True-Client-IP: 6.6.6.6", "Fly-Client-IP: 6.6.6.6", "X-Azure-ClientIP: 6.6.6.6", "X-Client-IP: 6.6.6.6",
		"X-Cluster-Client-IP: 6.6.6.6", "X-Originating-IP: 6.6.6.6", "Client-IP: 6.6.6.6", "Via: 1.1 6.6.6.6", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /evil", "X-Forwarded-Port: 6666", "X-Original-URL: /evil", "X-Rewrite-URL: /evil", "X-Original-Host: evil.example",
	} {
		attacks = append(attacks, attack{
			name:    fmt.Sprintf("spoof-stranger-%02d", i+1),
			request: request{target: "/admin/api/clients/7690", as: "anna", headers: []string{header}},
			want:    want{url: "http://panel.example/admin/api/clients/7690"},
			check: func(t *testing.T, a *attack, lines []line) {
				for _, l := range lines {
					if got := l.event.ClientAddress.String(); got != a.from {
						t.Errorf("ip = %s, want the stranger's own %s", got, a.from)
					}
				}
			},
		})
	}
	long := strings.Repeat("6.6.6.6, ", 2000)
	for i, c := range []struct {
		headers []string
		ip, url string
	}{
		{[]string{"X-Forwarded-For: 203.0.113.9"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 6.6.6.6, 203.0.113.9"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 203.0.113.9, 127.0.0.1"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 6.6.6.6, 203.0.113.9,"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 6.6.6.6,, 203.0.113.9, ,"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 203.0.113.9:4711"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: ::ffff:203.0.113.9"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: [2001:db8::9]:443"}, "2001:db8::9", ""},
		{[]string{"X-Forwarded-For: 2001:DB8:0:0::9"}, "2001:db8::9", ""},
		{[]string{"X-Forwarded-For: evil"}, "127.0.0.1", ""},
		{[]string{"X-Forwarded-For: 203.0.113.9, unknown"}, "127.0.0.1", ""},
		{[]string{"X-Forwarded-For: 0177.0.0.1"}, "127.0.0.1", ""},
		{[]string{"X-Forwarded-For: 203.0.113.9 email=evil"}, "127.0.0.1", ""},
		{[]string{"X-Forwarded-For: " + long + "203.0.113.9"}, "203.0.113.9", ""},
		{[]string{"X-Real-IP: 6.6.6.6", "X-Forwarded-For: 203.0.113.9", "Forwarded: for=6.6.6.6", "CF-Connecting-IP: 6.6.6.6"}, "203.0.113.9", ""},
		{[]string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"}, "203.0.113.9", "https://panel.example/"},
		{[]string{"X-Forwarded-For: 203.0.113.9, 127.0.0.1", "X-Forwarded-Proto: https, http", "X-Forwarded-Host: panel.example, inner"}, "203.0.113.9", "https://panel.example/"},
	} {
		attacks = append(attacks, attack{
			name: fmt.Sprintf("spoof-proxy-%02d", i+1), from: proxyAddress,
			request: request{target: "/admin/api/clients/7691", as: "anna", headers: c.headers},
			want:    want{ip: c.ip, urlHas: []string{or(c.url, "http://panel.example/")}},
		})
	}
	return attacks
}
