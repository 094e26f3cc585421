package proxy

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strings"
)

// auditPrefix is that of the headers in which a panel says what it did. The
// proxy takes them off: clients neither see nor send them.
const auditPrefix = "X-Audit-"

// reasonHeader is the one that a client may send.
const reasonHeader = "X-Audit-Reason"

// forwardingHeaders are those by which proxies say for whom they speak, or
// which path was asked for. What a stranger says in them is not handed on.
var forwardingHeaders = [...]string{
	"Forwarded", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
	"Cf-Connecting-Ipv6", "Fly-Client-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Original-Forwarded-For",
	"X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Rewrite-Uri", "X-Override-Url",
	"X-Original-Host", "X-Host", "X-Proxyuser-Ip",
}

// meant is the name of a header as a program behind CGI, WSGI or FastCGI reads
// it: there a dash and an underscore are the same.
func meant(name string) string {
	if strings.IndexByte(name, '_') >= 0 {
		name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	}
	return name
}

func isForwarding(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || slices.Contains(forwardingHeaders[:], name)
}

// isTrusted reports whether a request comes from one of the addresses, or
// through a Unix socket where that counts.
func isTrusted(r *http.Request, from []netip.Prefix, unixSocket bool) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return unixSocket && !strings.Contains(r.RemoteAddr, ":")
	}
	addr := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// rewrite makes the request that the panel gets: the client's, but for what is
// between two neighbours and for what a stranger must not say.
func (g *generation) rewrite(pr *httputil.ProxyRequest) {
	v := visitOf(pr.In)
	in, out := pr.In, pr.Out
	out.URL.Scheme, out.URL.Host = v.panel.target.Scheme, v.panel.target.Host
	joinPath(out, v.panel)
	// As it was sent; what can't be parsed as well. Only HTTP/2 lets a space
	// through, behind which an HTTP/1 panel would read another protocol.
	out.URL.RawQuery = strings.ReplaceAll(in.URL.RawQuery, " ", "%20")
	out.Trailer = in.Trailer // which is filled when the body has been read
	out.Host = in.Host
	if v.panel.host != "" {
		out.Host = v.panel.host
	}
	trusted := g.isForwarded(in)
	if trusted {
		handOn(in, out)
	}
	for name := range out.Header {
		what := meant(name)
		switch {
		case strings.HasPrefix(what, auditPrefix) && name != reasonHeader,
			isForwarding(what) && (!trusted || what != name),
			g.isIdentity(what) && (what != name || !g.isSaidByTrusted(in, what)):
			delete(out.Header, name)
		}
	}
	onlyWebSockets(out)
	forwarded(in, out)
	if g.requestIDHeader != "" {
		if id := v.recording.RequestID(); id != "" {
			out.Header.Set(g.requestIDHeader, id)
		}
	}
}

// onlyWebSockets takes off the wish for any other protocol, as HTTP allows. With
// a panel that goes over to HTTP/2 (h2c), a client would send requests through
// the connection that are on no record.
func onlyWebSockets(out *http.Request) {
	if strings.EqualFold(out.Header.Get("Upgrade"), "websocket") {
		return
	}
	for _, name := range []string{"Upgrade", "Connection", "Http2-Settings"} {
		delete(out.Header, name)
	}
}

// isForwarded reports whether a request comes from a trusted proxy.
func (g *generation) isForwarded(r *http.Request) bool {
	t := &g.config.Policy.TrustedProxies
	return isTrusted(r, t.Addresses, t.UnixSocket)
}

// handOn copies what a trusted proxy says.
func handOn(in, out *http.Request) {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values := in.Header[name]; len(values) > 0 {
			out.Header[name] = slices.Clone(values)
		}
	}
}

// forwarded says to the panel who was asked, how, and by whom: behind what
// trusted proxies have said, if anything.
func forwarded(in, out *http.Request) {
	h := out.Header
	if client, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		h["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(h["X-Forwarded-For"]), client), ", ")}
	}
	if len(h["X-Forwarded-Host"]) == 0 {
		h.Set("X-Forwarded-Host", in.Host)
	}
	if len(h["X-Forwarded-Proto"]) == 0 {
		proto := "http"
		if in.TLS != nil {
			proto = "https"
		}
		h.Set("X-Forwarded-Proto", proto)
	}
}

// joinPath puts the panel's own path before the request's, which stays as it was
// sent, byte for byte.
func joinPath(out *http.Request, up *upstream) {
	before := strings.TrimSuffix(up.target.Path, "/")
	if before == "" {
		return
	}
	if out.URL.RawPath != "" {
		out.URL.RawPath = strings.TrimSuffix(up.target.EscapedPath(), "/") + out.URL.RawPath
	}
	out.URL.Path = before + out.URL.Path
}

// isIdentity reports whether a header is one in which an authenticating proxy
// says who somebody is.
func (g *generation) isIdentity(name string) bool {
	return slices.ContainsFunc(g.config.Who, func(who Identity) bool {
		return who.Headers != nil && slices.Contains(who.Headers.names(), name)
	})
}

// isSaidByTrusted reports whether such a header comes from who may set it.
func (g *generation) isSaidByTrusted(r *http.Request, name string) bool {
	return slices.ContainsFunc(g.config.Who, func(who Identity) bool {
		h := who.Headers
		return h != nil && slices.Contains(h.names(), name) && isTrusted(r, h.From, h.UnixSocket)
	})
}

// names are the headers, in their canonical form.
func (h *TrustedHeaders) names() (names []string) {
	for _, n := range []string{h.ID, h.Email, h.Name, h.Tenant} {
		if n != "" {
			names = append(names, http.CanonicalHeaderKey(n))
		}
	}
	return names
}
