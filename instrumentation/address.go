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
//
// Any other name than [XForwardedFor] and [Forwarded] is that of a header with
// one address in it, which the nearest proxy has set, with X-Forwarded-Proto,
// -Host and -Port beside it: "X-Real-IP", "CF-Connecting-IP", "True-Client-IP",
// "Fly-Client-IP", "X-Azure-ClientIP".
type ForwardedHeader string

// The headers that list the hops of a request.
const (
	// XForwardedFor is X-Forwarded-For, with X-Forwarded-Proto, -Host and -Port
	// beside it: nginx, HAProxy, Envoy, Traefik, Caddy and the load balancers of
	// the clouds.
	XForwardedFor ForwardedHeader = "X-Forwarded-For"
	// Forwarded is the header of RFC 7239, with its for, proto and host.
	Forwarded ForwardedHeader = "Forwarded"
)

// Bounds of the work that an endless header can make.
const (
	maxHops     = 32
	maxElements = 256 // empty ones among them
)

// proxies says which peers are believed, and what they write.
type proxies struct {
	header     ForwardedHeader // in its canonical form
	function   func(*http.Request) netip.Addr
	prefixes   []netip.Prefix
	unixSocket bool
	hops       int  // how many proxies there are at most; 0 for any number
	prefix     bool // X-Forwarded-Prefix is believed
}

// origin is where a request comes from. scheme, host, port and prefix are empty
// where no trusted proxy named them.
type origin struct {
	address                    netip.Addr
	scheme, host, port, prefix string
	trustedPeer                bool
}

func (p *proxies) origin(r *http.Request) origin {
	peer := peerAddress(r.RemoteAddr)
	o := origin{address: peer}
	if p.header == "" && p.function == nil || !p.trustsPeer(peer) {
		return o
	}
	o.trustedPeer = true
	if p.header == Forwarded {
		p.fromForwarded(&o, r.Header["Forwarded"])
	} else {
		hop := 0
		if p.header == XForwardedFor {
			hop = p.fromXForwardedFor(&o, r.Header[string(XForwardedFor)])
		} else if v := r.Header[string(p.header)]; len(v) > 0 {
			// A proxy sets the header; one that appended instead would do so last.
			if addr, ok := parseNode(v[len(v)-1]); ok {
				o.address = addr
			}
		}
		o.scheme = forwardedScheme(elementOf(r.Header["X-Forwarded-Proto"], hop))
		o.host = elementOf(r.Header["X-Forwarded-Host"], hop)
		if port := elementOf(r.Header["X-Forwarded-Port"], hop); isPort(port) {
			o.port = port
		}
	}
	if p.prefix {
		o.prefix = forwardedPrefix(r.Header["X-Forwarded-Prefix"])
	}
	if p.function != nil {
		if addr := p.function(r); addr.IsValid() {
			o.address = addr.Unmap()
		}
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

// isLast reports whether the walk ends at an address: it is a stranger's, or
// what the last of our proxies has seen.
func (p *proxies) isLast(addr netip.Addr, hops int) bool {
	return !p.trusts(addr) || hops == maxHops || p.hops > 0 && hops >= p.hops
}

// fromXForwardedFor walks from the nearest hop to the farthest, as long as
// each is one of ours. What stands to the left of the first stranger the
// stranger may have made up. It returns at which element, from the right, the
// walk has ended.
func (p *proxies) fromXForwardedFor(o *origin, lines []string) int {
	hops, elements := 0, 0
	for _, rest := range slices.Backward(lines) {
		for ; rest != "" && elements < maxElements; elements++ {
			var element string
			rest, element = cutLast(rest, ',')
			if element == "" {
				continue // RFC 9110 5.6.1
			}
			addr, ok := parseNode(element)
			if !ok {
				return max(0, hops-1)
			}
			o.address = addr
			if hops++; p.isLast(addr, hops) {
				return hops - 1
			}
		}
	}
	return max(0, hops-1)
}

// elementOf returns the n-th element of a list from the right, or the
// left-most of a shorter one: not every proxy appends.
func elementOf(lines []string, n int) string {
	last, elements := "", 0
	for _, rest := range slices.Backward(lines) {
		for ; rest != "" && elements < maxElements; elements++ {
			var element string
			if rest, element = cutLast(rest, ','); element == "" {
				continue
			}
			last = element
			if n--; n < 0 {
				return last
			}
		}
	}
	return last
}

// cutLast cuts off the last element of a list, without the blanks around it.
func cutLast(s string, sep byte) (before, last string) {
	i := strings.LastIndexByte(s, sep)
	return s[:max(i, 0)], strings.Trim(s[i+1:], " \t")
}

// fromForwarded is the same walk over RFC 7239's header. It also goes from
// right to left, so that a quote which a client has opened and not closed
// cannot swallow what our proxy has appended. Scheme and host are those of the
// element at which the walk ends, or of the nearest before it that names them.
func (p *proxies) fromForwarded(o *origin, lines []string) {
	hops, elements := 0, 0
	for _, rest := range slices.Backward(lines) {
		for ; rest != "" && elements < maxElements; elements++ {
			var element string
			rest, element = cutLastElement(rest, ',')
			node, scheme, host := parseElement(element)
			if node == "" && scheme == "" && host == "" {
				if strings.Trim(element, " \t;") == "" {
					continue // RFC 9110 5.6.1
				}
				return
			}
			if scheme := forwardedScheme(scheme); scheme != "" {
				o.scheme = scheme
			}
			if host != "" {
				o.host = host
			}
			addr, ok := parseNode(node)
			if !ok {
				return // unknown, hidden, or not said
			}
			o.address = addr
			if hops++; p.isLast(addr, hops) {
				return
			}
		}
	}
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

func forwardedScheme(s string) string {
	switch {
	case strings.EqualFold(s, "https"), strings.EqualFold(s, "wss"):
		return "https"
	case strings.EqualFold(s, "http"), strings.EqualFold(s, "ws"):
		return "http"
	}
	return ""
}

// maxPrefixBytes bounds what a proxy may say to have taken off a path.
const maxPrefixBytes = 128

// forwardedPrefix returns what proxies say to have taken off the path, the
// farthest first. What is not a plain path is left out.
func forwardedPrefix(lines []string) string {
	prefix := ""
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		part = strings.TrimRight(strings.Trim(part, " \t"), "/")
		if part == "" {
			continue
		}
		if part[0] != '/' || len(prefix)+len(part) > maxPrefixBytes || strings.Contains(part, "..") || strings.Contains(part, "//") {
			return ""
		}
		for i := range len(part) {
			c := part[i]
			if !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && strings.IndexByte("/-._~", c) < 0 {
				return ""
			}
		}
		prefix += part
	}
	return prefix
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
