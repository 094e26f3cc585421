package instrumentation

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(t testing.TB, s ...string) []netip.Prefix {
	t.Helper()
	var list []netip.Prefix
	for _, p := range s {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, prefix)
	}
	return list
}

func TestClientAddress(t *testing.T) {
	ours := prefixes(t, "10.0.0.0/8", "fd00::/8", "fe80::/10")
	for _, c := range []struct {
		name   string
		header ForwardedHeader
		remote string
		sent   []string // "Name: value", in the order of the lines
		want   string
	}{
		{"no proxies, nothing sent", "", "192.0.2.1:1", nil, "192.0.2.1"},
		{"no proxies, spoofed X-Forwarded-For", "", "192.0.2.1:1", []string{"X-Forwarded-For: 1.1.1.1"}, "192.0.2.1"},
		{"no proxies, spoofed Forwarded", "", "192.0.2.1:1", []string{"Forwarded: for=1.1.1.1"}, "192.0.2.1"},
		{"no proxies, spoofed X-Real-IP", "", "192.0.2.1:1", []string{"X-Real-Ip: 1.1.1.1"}, "192.0.2.1"},
		{"stranger sends X-Forwarded-For", XForwardedFor, "192.0.2.1:1", []string{"X-Forwarded-For: 1.1.1.1"}, "192.0.2.1"},
		{"proxy alone", XForwardedFor, "10.0.0.1:1", nil, "10.0.0.1"},
		{"proxy names the client", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.7"}, "192.0.2.7"},
		{"client has put something in front", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.7"}, "192.0.2.7"},
		{"client claims one of our addresses", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 10.9.9.9, 192.0.2.7"}, "192.0.2.7"},
		{"two proxies of ours", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.2"}, "192.0.2.7"},
		{"the client is one of ours", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"two lines", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.7"}, "192.0.2.7"},
		{"two lines, the last is ours", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.7", "X-Forwarded-For: 10.0.0.2"}, "192.0.2.7"},
		{"garbage at the left", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: <script>, 192.0.2.7"}, "192.0.2.7"},
		{"garbage where a stranger should be", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1, evil, 10.0.0.2"}, "10.0.0.2"},
		{"empty elements", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 203.0.113.9,,10.1.1.1,"}, "203.0.113.9"},
		{"empty elements and blanks", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1, ,\t192.0.2.7 , ,"}, "192.0.2.7"},
		{"an empty line", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: "}, "192.0.2.7"},
		{"a hidden port", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.7:_x"}, "192.0.2.7"},
		{"in quotes", XForwardedFor, "10.0.0.1:1", []string{`X-Forwarded-For: "[2001:db8::7]:80"`}, "2001:db8::7"},
		{"empty header", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: "}, "10.0.0.1"},
		{"the other header is not read", XForwardedFor, "10.0.0.1:1", []string{"Forwarded: for=1.1.1.1", "X-Real-Ip: 1.1.1.1"}, "10.0.0.1"},
		{"with a port", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.7:4711"}, "192.0.2.7"},
		{"IPv6", XForwardedFor, "[fd00::1]:1", []string{"X-Forwarded-For: 2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets with a port", XForwardedFor, "[fd00::1]:1", []string{"X-Forwarded-For: [2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv4 in IPv6", XForwardedFor, "[::ffff:10.0.0.1]:1", []string{"X-Forwarded-For: ::ffff:192.0.2.7"}, "192.0.2.7"},
		{"IPv4 in IPv6 counts as ours", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.7, ::ffff:10.0.0.2"}, "192.0.2.7"},
		{"the peer has a zone", XForwardedFor, "[fe80::1%eth0]:1", []string{"X-Forwarded-For: 192.0.2.7"}, "192.0.2.7"},
		{"a stranger with a zone", "", "[fe80::1%eth0]:1", nil, "fe80::1%eth0"},
		{"a zone in the header is dropped", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 2001:db8::7%forged text"}, "2001:db8::7"},
		{"a zone does not hide one of ours", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.7, fd00::2%x"}, "192.0.2.7"},

		{"Forwarded", Forwarded, "10.0.0.1:1", []string{"Forwarded: for=192.0.2.7;proto=https;by=10.0.0.1"}, "192.0.2.7"},
		{"Forwarded, capitals and spaces", Forwarded, "10.0.0.1:1", []string{`Forwarded: by=x ; For="192.0.2.7:99"`}, "192.0.2.7"},
		{"Forwarded, IPv6", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="[2001:db8::7]:4711"`}, "2001:db8::7"},
		{"Forwarded, client in front", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1, for=192.0.2.7, for=10.0.0.2`}, "192.0.2.7"},
		{"Forwarded, a quote left open by the client", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="1.1.1.1, for=192.0.2.7`}, "192.0.2.7"},
		{"Forwarded, an open quote before a quoted element", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="evil, for="[2001:db8::7]"`}, "2001:db8::7"},
		{"Forwarded, comma in quotes", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=192.0.2.7;host="a,b"`}, "192.0.2.7"},
		{"Forwarded, escaped quote", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=192.0.2.7;host="a\",for=1.1.1.1"`}, "192.0.2.7"},
		{"Forwarded, unknown", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1, for=unknown`}, "10.0.0.1"},
		{"Forwarded, obfuscated", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1, for=_hidden, for=10.0.0.2`}, "10.0.0.2"},
		{"Forwarded, empty elements", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=203.0.113.9,`}, "203.0.113.9"},
		{"Forwarded, more empty elements", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=203.0.113.9, ,, ;, for=10.0.0.2 ,`}, "203.0.113.9"},
		{"Forwarded, hidden port", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="203.0.113.9:_port"`}, "203.0.113.9"},
		{"a port beyond all ports", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 203.0.113.9:99999"}, "203.0.113.9"},
		{"Forwarded, hidden port of IPv6", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="[2001:db8::7]:_p.o-rt"`}, "2001:db8::7"},
		{"Forwarded, a port that is none", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="203.0.113.9:x"`}, "10.0.0.1"},
		{"Forwarded, escapes in quotes", Forwarded, "10.0.0.1:1", []string{`Forwarded: for="203.0.113\.9"`}, "203.0.113.9"},
		{"Forwarded without for", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1, proto=https;host=h`}, "10.0.0.1"},
		{"Forwarded, unknown in front of ours", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1, for=UNKNOWN, for=10.0.0.2`}, "10.0.0.2"},
		{"Forwarded, for given twice", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1;for=192.0.2.7`}, "192.0.2.7"},
		{"Forwarded, nothing in it", Forwarded, "10.0.0.1:1", []string{`Forwarded: ;;,`}, "10.0.0.1"},
		{"Forwarded: the other headers are not read", Forwarded, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1"}, "10.0.0.1"},

		{"X-Real-IP", "X-Real-Ip", "10.0.0.1:1", []string{"X-Real-Ip: 192.0.2.7"}, "192.0.2.7"},
		{"X-Real-IP from a stranger", "X-Real-Ip", "192.0.2.1:1", []string{"X-Real-Ip: 1.1.1.1"}, "192.0.2.1"},
		{"X-Real-IP twice", "X-Real-Ip", "10.0.0.1:1", []string{"X-Real-Ip: 1.1.1.1", "X-Real-Ip: 192.0.2.7"}, "192.0.2.7"},
		{"X-Real-IP, garbage", "X-Real-Ip", "10.0.0.1:1", []string{"X-Real-Ip: evil"}, "10.0.0.1"},

		{"no address at all", XForwardedFor, "@", []string{"X-Forwarded-For: 1.1.1.1"}, "invalid IP"},
		{"without a port", "", "192.0.2.1", nil, "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			for _, line := range c.sent {
				name, value, _ := strings.Cut(line, ": ")
				r.Header[name] = append(r.Header[name], value)
			}
			p := proxies{header: c.header, prefixes: ours}
			if got := p.origin(r).address.String(); got != c.want {
				t.Errorf("address %s, want %s", got, c.want)
			}
		})
	}
}

func TestAnEndlessChainOfProxiesIsNotWalkedToItsEnd(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "192.0.2.7"+strings.Repeat(", 10.0.0.2", 10*maxHops))
	p := proxies{header: XForwardedFor, prefixes: prefixes(t, "10.0.0.0/8")}
	if got := p.origin(r).address.String(); got != "10.0.0.2" {
		t.Errorf("address %s", got)
	}
}

func TestUnixSocketIsBelievedOnRequest(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "@"
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	p := proxies{header: XForwardedFor, unixSocket: true}
	if got := p.origin(r).address.String(); got != "192.0.2.7" {
		t.Errorf("address %s", got)
	}
}

func TestSchemeAndHostAsTheClientSawThem(t *testing.T) {
	for _, c := range []struct {
		name   string
		header ForwardedHeader
		remote string
		sent   map[string]string
		want   string
	}{
		{"nobody says anything", "", "10.0.0.1:1", nil, "http://panel.internal/x"},
		{"a stranger says something", XForwardedFor, "192.0.2.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example", "X-Forwarded-Port": "8443"}, "http://panel.internal/x"},
		{"the proxy says", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example"}, "https://demo.example/x"},
		{"the nearest proxy counts", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "ftp, https", "X-Forwarded-Host": "evil.example, demo.example"}, "https://demo.example/x"},
		{"the hop of the client counts", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-For": "203.0.113.9, 10.1.1.1", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "panel.example, inner"}, "https://panel.example/x"},
		{"and not what is left of it", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-For": "1.1.1.1, 203.0.113.9, 10.1.1.1", "X-Forwarded-Proto": "http, https, http", "X-Forwarded-Host": "evil.example, panel.example, inner"}, "https://panel.example/x"},
		{"a proxy that does not append", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-For": "203.0.113.9, 10.1.1.1, 10.1.1.2", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "panel.example"}, "https://panel.example/x"},
		{"empty elements", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-For": ", 203.0.113.9,, 10.1.1.1,", "X-Forwarded-Proto": "https,, http, ", "X-Forwarded-Host": "panel.example, ,inner"}, "https://panel.example/x"},
		{"port", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example", "X-Forwarded-Port": "8443"}, "https://demo.example:8443/x"},
		{"port of the hop of the client", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-For": "203.0.113.9, 10.1.1.1", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "panel.example, inner", "X-Forwarded-Port": "8443, 80"}, "https://panel.example:8443/x"},
		{"usual port", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example", "X-Forwarded-Port": "443"}, "https://demo.example/x"},
		{"port in the host, too", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example:9443", "X-Forwarded-Port": "443"}, "https://demo.example:9443/x"},
		{"port without a host", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"}, "https://panel.internal:8443/x"},
		{"port that is none", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Host": "demo.example", "X-Forwarded-Port": "80/evil"}, "http://demo.example/x"},
		{"a scheme that is none", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "javascript"}, "http://panel.internal/x"},
		{"Forwarded", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `for=192.0.2.7;proto=https;host="demo.example:8443"`}, "https://demo.example:8443/x"},
		{"Forwarded of two proxies", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `for=1.1.1.1;host=evil.example, for=192.0.2.7;proto=https;host=demo.example, for=10.0.0.2;proto=http;host=inner`}, "https://demo.example/x"},
		{"Forwarded without for", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `proto=https;host=demo.example`}, "https://demo.example/x"},
		{"Forwarded, the client is hidden", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `for=1.1.1.1;host=evil.example, for=_hidden;proto=https;host=demo.example`}, "https://demo.example/x"},
		{"Forwarded, capitals and an empty element", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `For=192.0.2.7;PROTO=HTTPS;Host=demo.example,`}, "https://demo.example/x"},
		{"a host that is none", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Host": "demo.example/admin?x="}, "http://panel.internal/x"},
		{"a host with user-info", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Host": "user:pass@demo.example"}, "http://demo.example/x"},
		{"a prefix is not believed unless asked for", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Prefix": "/admin"}, "http://panel.internal/x"},
		{"the last port", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Port": "65535"}, "http://panel.internal:65535/x"},
		{"no port", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Port": "65536"}, "http://panel.internal/x"},
		{"a header of its own", "Cf-Connecting-Ip", "10.0.0.1:1", map[string]string{"Cf-Connecting-Ip": "203.0.113.9", "X-Forwarded-Proto": "https"}, "https://panel.internal/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := proxies{header: c.header, prefixes: prefixes(t, "10.0.0.0/8")}
			if got := urlOf(&p, c.remote, c.sent); got != c.want {
				t.Errorf("URL %s, want %s", got, c.want)
			}
		})
	}
}

func urlOf(p *proxies, remote string, sent map[string]string) string {
	r := httptest.NewRequest("GET", "/x", nil)
	r.Host, r.RemoteAddr = "panel.internal", remote
	for k, v := range sent {
		r.Header.Set(k, v)
	}
	o := p.origin(r)
	b, _ := new(middleware).appendURL(nil, r, &o)
	return string(b)
}

func TestForwardedPrefix(t *testing.T) {
	p := proxies{header: XForwardedFor, prefixes: prefixes(t, "10.0.0.0/8"), prefix: true}
	for sent, want := range map[string]string{
		"":                             "/x",
		"/panel":                       "/panel/x",
		"/panel/":                      "/panel/x",
		"/":                            "/x",
		"/a, /b":                       "/a/b/x",
		"panel":                        "/x",
		"/a?x=":                        "/x",
		"/a/../b":                      "/x",
		"//evil":                       "/x",
		"/a%2f":                        "/x",
		"/a#b":                         "/x",
		"/token/secret":                "/token/secret/x",
		"/" + strings.Repeat("a", 500): "/x",
	} {
		if got := urlOf(&p, "10.0.0.1:1", map[string]string{"X-Forwarded-Prefix": sent}); got != "http://panel.internal"+want {
			t.Errorf("%q: %s, want %s", sent, got, want)
		}
	}
	if got := urlOf(&p, "192.0.2.1:1", map[string]string{"X-Forwarded-Prefix": "/evil"}); got != "http://panel.internal/x" {
		t.Errorf("a stranger's prefix is believed: %s", got)
	}
}

func TestClientAddressFromAHeaderOrAFunction(t *testing.T) {
	function := func(r *http.Request) netip.Addr {
		addr, _ := netip.ParseAddr(r.Header.Get("X-Own"))
		return addr
	}
	for _, c := range []struct {
		name, remote string
		opt          Option
		sent         map[string]string
		want         string
	}{
		{"header", "10.0.0.1:1", WithTrustedProxies("CF-Connecting-IP", prefixes(t, "10.0.0.1/32")...), map[string]string{"Cf-Connecting-Ip": "203.0.113.9"}, "203.0.113.9"},
		{"header with a port", "10.0.0.1:1", WithTrustedProxies("x-azure-clientip", prefixes(t, "10.0.0.1/32")...), map[string]string{"X-Azure-Clientip": "203.0.113.9:4711"}, "203.0.113.9"},
		{"header twice", "10.0.0.1:1", WithTrustedProxies("True-Client-IP", prefixes(t, "10.0.0.1/32")...), map[string]string{"True-Client-Ip": "203.0.113.9"}, "203.0.113.9"},
		{"header missing", "10.0.0.1:1", WithTrustedProxies("Fly-Client-IP", prefixes(t, "10.0.0.1/32")...), map[string]string{"X-Forwarded-For": "203.0.113.9"}, "10.0.0.1"},
		{"header of a stranger", "10.0.0.2:1", WithTrustedProxies("CF-Connecting-IP", prefixes(t, "10.0.0.1/32")...), map[string]string{"Cf-Connecting-Ip": "203.0.113.9"}, "10.0.0.2"},
		{"function", "10.0.0.1:1", WithClientAddress(function, prefixes(t, "10.0.0.1/32")...), map[string]string{"X-Own": "::ffff:203.0.113.9"}, "203.0.113.9"},
		{"function says nothing", "10.0.0.1:1", WithClientAddress(function, prefixes(t, "10.0.0.1/32")...), nil, "10.0.0.1"},
		{"function for a stranger", "10.0.0.2:1", WithClientAddress(function, prefixes(t, "10.0.0.1/32")...), map[string]string{"X-Own": "203.0.113.9"}, "10.0.0.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := newConfig([]Option{c.opt})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			for k, v := range c.sent {
				r.Header.Set(k, v)
			}
			if got := cfg.proxies.origin(r).address.String(); got != c.want {
				t.Errorf("address %s, want %s", got, c.want)
			}
		})
	}
}

func TestProxyHops(t *testing.T) {
	for _, c := range []struct {
		header ForwardedHeader
		sent   string
		hops   int
		want   string
	}{
		{XForwardedFor, "1.1.1.1, 10.0.0.9", 0, "1.1.1.1"}, // the client in 10/8 has chosen
		{XForwardedFor, "1.1.1.1, 10.0.0.9", 1, "10.0.0.9"},
		{XForwardedFor, "1.1.1.1, 10.0.0.9, 10.0.0.2", 2, "10.0.0.9"},
		{XForwardedFor, "203.0.113.9, 10.0.0.2", 2, "203.0.113.9"},
		{XForwardedFor, "1.1.1.1, 203.0.113.9", 2, "203.0.113.9"},
		{XForwardedFor, "10.0.0.9", 2, "10.0.0.9"},
		{XForwardedFor, "1.1.1.1, 10.0.0.9, ,", 1, "10.0.0.9"},
		{Forwarded, "for=1.1.1.1, for=10.0.0.9", 1, "10.0.0.9"},
		{Forwarded, "for=1.1.1.1, for=10.0.0.9;proto=https, for=10.0.0.2", 2, "10.0.0.9"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set(string(c.header), c.sent)
		p := proxies{header: c.header, prefixes: prefixes(t, "10.0.0.0/8"), hops: c.hops}
		if got := p.origin(r).address.String(); got != c.want {
			t.Errorf("%s, %d hops: %s, want %s", c.sent, c.hops, got, c.want)
		}
	}
}

func TestWidePrefixesAreWarnedAbout(t *testing.T) {
	for _, c := range []struct {
		header ForwardedHeader
		prefix string
		opts   []Option
		warned bool
	}{
		{XForwardedFor, "10.0.0.0/8", nil, true},
		{Forwarded, "172.16.0.0/12", nil, true},
		{XForwardedFor, "2001:db8::/32", nil, true},
		{XForwardedFor, "0.0.0.0/0", nil, true},
		{XForwardedFor, "10.0.0.1/32", nil, false},
		{XForwardedFor, "192.0.2.0/24", nil, false},
		{XForwardedFor, "127.0.0.0/8", nil, false},
		{XForwardedFor, "10.0.0.0/8", []Option{WithProxyHops(1)}, false},
		{"X-Real-IP", "10.0.0.0/8", nil, false},
		{"CF-Connecting-IP", "104.16.0.0/13", nil, false},
	} {
		var log strings.Builder
		opts := append(c.opts, WithTrustedProxies(c.header, prefixes(t, c.prefix)...), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if _, err := newConfig(opts); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), c.prefix) && strings.Contains(log.String(), "WARN"); got != c.warned {
			t.Errorf("%s, %s: warned %v, want %v: %s", c.header, c.prefix, got, c.warned, log.String())
		}
	}
}

func TestTruncatedAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.77":            "192.0.2.0",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1::",
		"fe80::1%eth0":          "fe80::",
		"::ffff:192.0.2.77":     "192.0.2.0",
		"2001:db8:ffff:ffff::1": "2001:db8:ffff::",
	} {
		if got := (truncation{24, 48}).apply(peerAddress(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzForwarded makes up what a client sends in front of what a proxy of ours
// appends: nothing may keep the address from being the one that the proxy saw.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "for=1.1.1.1", `for="`, `for="a\`, `"`, `\"`, `for=1.1.1.1;host="x,`, `;;,,`, "for=[::1%\x00]"} {
		f.Add(s)
	}
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	want := netip.MustParseAddr("192.0.2.7")
	f.Fuzz(func(t *testing.T, sent string) {
		for _, c := range []struct {
			header   ForwardedHeader
			appended string
		}{
			{Forwarded, sent + ", for=192.0.2.7"},
			{Forwarded, sent + `, for="192.0.2.7:80";proto=https`},
			{Forwarded, sent + ",for=192.0.2.7, for=10.0.0.2"},
			{XForwardedFor, sent + ", 192.0.2.7"},
			{XForwardedFor, sent + ", 192.0.2.7, 10.0.0.2"},
		} {
			r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{string(c.header): {c.appended}}}
			p := proxies{header: c.header, prefixes: ours}
			if got := p.origin(r).address; got != want {
				t.Errorf("%s: %q: address %s", c.header, c.appended, got)
			}
		}
		// A line of the client's own must not be read once ours has a stranger.
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"Forwarded": {sent, "for=192.0.2.7"}}}
		p := proxies{header: Forwarded, prefixes: ours}
		if got := p.origin(r).address; got != want {
			t.Errorf("%q as a line: address %s", sent, got)
		}
	})
}
