package instrumentation

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ForwardedHeader names the header in which a reverse proxy says whom it
// speaks for. Exactly one is read: a proxy that writes one of them passes the
// others on as the client sent them, so reading whichever is there would
// believe the client.
type ForwardedHeader string

// The headers of reverse proxies.
const (
	// XForwardedFor is X-Forwarded-For, with X-Forwarded-Proto and
	// X-Forwarded-Host beside it: nginx, HAProxy, Envoy, Traefik, Caddy and
	// the load balancers of the clouds.
	XForwardedFor ForwardedHeader = "X-Forwarded-For"
	// Forwarded is the header of RFC 7239, with its for, proto and host.
	Forwarded ForwardedHeader = "Forwarded"
	// XRealIP is X-Real-IP, one address that the nearest proxy has set, with
	// X-Forwarded-Proto and X-Forwarded-Host beside it.
	XRealIP ForwardedHeader = "X-Real-Ip"
)

// maxHops bounds the work an endless header can make.
const maxHops = 32

// proxies says which peers are believed, and what they write.
type proxies struct {
	header     ForwardedHeader
	prefixes   []netip.Prefix
	unixSocket bool
}

// origin is where a request comes from. scheme and host are empty where no
// trusted proxy named them.
type origin struct {
	address      netip.Addr
	scheme, host string
	trustedPeer  bool
}

func (p *proxies) origin(r *http.Request) origin {
	peer := peerAddress(r.RemoteAddr)
	o := origin{address: peer}
	if p.header == "" || !p.trustsPeer(peer) {
		return o
	}
	o.trustedPeer = true
	switch p.header {
	case Forwarded:
		p.fromForwarded(&o, r.Header["Forwarded"])
	case XRealIP:
		// A proxy sets the header; one that appended instead would do so last.
		if v := r.Header[string(XRealIP)]; len(v) > 0 {
			if addr, ok := parseNode(v[len(v)-1]); ok {
				o.address = addr
			}
		}
		o.scheme = forwardedScheme(last(r.Header["X-Forwarded-Proto"]))
		o.host = last(r.Header["X-Forwarded-Host"])
	default:
		p.fromXForwardedFor(&o, r.Header[string(XForwardedFor)])
		o.scheme = forwardedScheme(last(r.Header["X-Forwarded-Proto"]))
		o.host = last(r.Header["X-Forwarded-Host"])
	}
	return o
}

func (p *proxies) trustsPeer(peer netip.Addr) bool {
	if !peer.IsValid() {
		return p.unixSocket
	}
	return p.trusts(peer)
}

func (p *proxies) trusts(addr netip.Addr) bool {
	addr = addr.WithZone("") // a prefix never contains an address with a zone
	for _, prefix := range p.prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// fromXForwardedFor walks from the nearest hop to the farthest, as long as
// each is one of ours. What stands to the left of the first stranger the
// stranger may have made up.
func (p *proxies) fromXForwardedFor(o *origin, lines []string) {
	hops := 0
	for _, line := range slices.Backward(lines) {
		for rest := line; ; {
			comma := strings.LastIndexByte(rest, ',')
			addr, ok := parseNode(rest[comma+1:])
			if !ok {
				return
			}
			o.address = addr
			if hops++; !p.trusts(addr) || hops == maxHops {
				return
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
}

// fromForwarded is the same walk over RFC 7239's header. It also goes from
// right to left, so that a quote which a client has opened and not closed
// cannot swallow what our proxy has appended.
func (p *proxies) fromForwarded(o *origin, lines []string) {
	hops := 0
	for _, rest := range slices.Backward(lines) {
		for rest != "" {
			var element string
			rest, element = cutLastElement(rest, ',')
			node, scheme, host := parseElement(element)
			addr, ok := parseNode(node)
			if !ok {
				return
			}
			o.address = addr
			if scheme := forwardedScheme(scheme); scheme != "" {
				o.scheme = scheme
			}
			if host != "" {
				o.host = host
			}
			if hops++; !p.trusts(addr) || hops == maxHops {
				return
			}
		}
	}
}

// cutLastElement splits s at the last sep that stands outside of quotes, as
// seen from the end.
func cutLastElement(s string, sep byte) (before, last string) {
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case sep:
			return s[:i], s[i+1:]
		case '"':
			i = openingQuote(s, i)
		}
	}
	return "", s
}

// openingQuote returns the offset of the quote that the one at end closes, or
// -1 if there is none.
func openingQuote(s string, end int) int {
	for i := end - 1; i >= 0; i-- {
		if s[i] != '"' {
			continue
		}
		escapes := 0
		for j := i - 1; j >= 0 && s[j] == '\\'; j-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
	return -1
}

// parseElement reads one hop: for=192.0.2.60;proto=http;host=example.org. Of a
// parameter that is there twice the right-most counts.
func parseElement(s string) (node, scheme, host string) {
	for s != "" {
		var pair string
		s, pair = cutLastElement(s, ';')
		name, value, _ := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
		switch {
		case node == "" && strings.EqualFold(name, "for"):
			node = value
		case scheme == "" && strings.EqualFold(name, "proto"):
			scheme = value
		case host == "" && strings.EqualFold(name, "host"):
			host = value
		}
	}
	return node, scheme, host
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// parseNode reads an address with or without a port: 192.0.2.1,
// 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. A zone is
// dropped: it means something on the machine that wrote it only, and it is
// text that may say anything.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return netip.Addr{}, false
	}
	if s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
		if !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = ap.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// peerAddress is the address of the socket's other end. It is the kernel's
// word, so a zone is kept. It is invalid for a Unix socket.
func peerAddress(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap()
	}
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// last returns what the nearest proxy wrote: the last of a list.
func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	s := lines[len(lines)-1]
	return strings.TrimSpace(s[strings.LastIndexByte(s, ',')+1:])
}

func forwardedScheme(s string) string {
	switch {
	case strings.EqualFold(s, "https"), strings.EqualFold(s, "wss"):
		return "https"
	case strings.EqualFold(s, "http"), strings.EqualFold(s, "ws"):
		return "http"
	}
	return ""
}

// truncation shortens addresses to a network, for privacy.
type truncation struct{ v4, v6 int }

func (t truncation) apply(addr netip.Addr) netip.Addr {
	if t == (truncation{}) || !addr.IsValid() {
		return addr
	}
	bits := t.v6
	if addr.Is4() {
		bits = t.v4
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil { // ruled out by the option's checks
		return netip.Addr{}
	}
	return prefix.Addr()
}
