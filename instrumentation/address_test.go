package instrumentation

import (
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
		{"empty element", XForwardedFor, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1,"}, "10.0.0.1"},
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
		{"Forwarded, for given twice", Forwarded, "10.0.0.1:1", []string{`Forwarded: for=1.1.1.1;for=192.0.2.7`}, "192.0.2.7"},
		{"Forwarded, nothing in it", Forwarded, "10.0.0.1:1", []string{`Forwarded: ;;,`}, "10.0.0.1"},
		{"Forwarded: the other headers are not read", Forwarded, "10.0.0.1:1", []string{"X-Forwarded-For: 1.1.1.1"}, "10.0.0.1"},

		{"X-Real-IP", XRealIP, "10.0.0.1:1", []string{"X-Real-Ip: 192.0.2.7"}, "192.0.2.7"},
		{"X-Real-IP from a stranger", XRealIP, "192.0.2.1:1", []string{"X-Real-Ip: 1.1.1.1"}, "192.0.2.1"},
		{"X-Real-IP twice", XRealIP, "10.0.0.1:1", []string{"X-Real-Ip: 1.1.1.1", "X-Real-Ip: 192.0.2.7"}, "192.0.2.7"},
		{"X-Real-IP, garbage", XRealIP, "10.0.0.1:1", []string{"X-Real-Ip: evil"}, "10.0.0.1"},

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
		{"a stranger says something", XForwardedFor, "192.0.2.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example"}, "http://panel.internal/x"},
		{"the proxy says", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demo.example"}, "https://demo.example/x"},
		{"the nearest proxy counts", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "ftp, https", "X-Forwarded-Host": "evil.example, demo.example"}, "https://demo.example/x"},
		{"a scheme that is none", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Proto": "javascript"}, "http://panel.internal/x"},
		{"Forwarded", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `for=192.0.2.7;proto=https;host="demo.example:8443"`}, "https://demo.example:8443/x"},
		{"Forwarded of two proxies", Forwarded, "10.0.0.1:1", map[string]string{"Forwarded": `for=1.1.1.1;host=evil.example, for=192.0.2.7;proto=https;host=demo.example, for=10.0.0.2;proto=http`}, "https://demo.example/x"},
		{"a host that is none", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Host": "demo.example/admin?x="}, "http://panel.internal/x"},
		{"a host with user-info", XForwardedFor, "10.0.0.1:1", map[string]string{"X-Forwarded-Host": "user:pass@demo.example"}, "http://demo.example/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/x", nil)
			r.Host, r.RemoteAddr = "panel.internal", c.remote
			for k, v := range c.sent {
				r.Header.Set(k, v)
			}
			p := proxies{header: c.header, prefixes: prefixes(t, "10.0.0.0/8")}
			o := p.origin(r)
			var d redaction
			if got := string(d.appendURL(nil, r, &o)); got != c.want {
				t.Errorf("URL %s, want %s", got, c.want)
			}
		})
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
