package instrumentation

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"

	"github.com/adminsessions/adminsessions"
)

// WithTrustedProxies sets from which peers to believe the client's address,
// scheme, host and port, and in which header they write it. From them, too, a
// request id is taken over. Default: nobody is believed.
//
// The address recorded is the right-most one that is not itself in prefixes, so
// name the proxies, as narrowly as can be: whoever is within prefixes can choose
// the address that is recorded. [WithProxyHops] helps where proxies and clients
// share a network. The proxies must set the header or append to it, and set or
// remove X-Forwarded-Proto, -Host and -Port, or a client can choose what is
// recorded as scheme, host and port.
func WithTrustedProxies(header ForwardedHeader, prefixes ...netip.Prefix) Option {
	return func(c *config) error {
		if err := c.proxies.believe("WithTrustedProxies", header); err != nil {
			return err
		}
		return c.proxies.trust("WithTrustedProxies", prefixes)
	}
}

// WithTrustedUnixSocket believes header also in requests that come through a
// Unix socket, which have no address of their own. See [WithTrustedProxies].
func WithTrustedUnixSocket(header ForwardedHeader) Option {
	return func(c *config) error {
		c.proxies.unixSocket = true
		return c.proxies.believe("WithTrustedUnixSocket", header)
	}
}

// WithClientAddress sets how to find out the client's address where no header
// says it in a form that [WithTrustedProxies] knows. f is asked of requests only
// whose peer is within prefixes, or within those of WithTrustedProxies; where it
// returns the zero Addr, what else is known stands.
func WithClientAddress(f func(*http.Request) netip.Addr, prefixes ...netip.Prefix) Option {
	return func(c *config) error {
		if f == nil {
			return optionError("WithClientAddress", "is nil")
		}
		c.proxies.function = f
		return c.proxies.trust("WithClientAddress", prefixes)
	}
}

// WithProxyHops sets how many proxies of ours a request comes through at most.
// The client is then at the latest who the n-th from here has seen, also where
// its address is in the prefixes of [WithTrustedProxies].
func WithProxyHops(n int) Option {
	return func(c *config) error {
		if n < 1 || n > maxHops {
			return optionError("WithProxyHops", "%d: want 1 to %d", n, maxHops)
		}
		c.proxies.hops = n
		return nil
	}
}

// WithForwardedPrefix records paths as the client sent them where a trusted
// proxy takes off their beginning and says so in X-Forwarded-Prefix. Use it only
// if every proxy sets or removes that header: many pass it on, and a client
// could put what it likes before the path that is recorded.
func WithForwardedPrefix() Option {
	return func(c *config) error {
		c.proxies.prefix = true
		return nil
	}
}

// believe sets the header to read.
func (p *proxies) believe(option string, header ForwardedHeader) error {
	name := ForwardedHeader(textproto.CanonicalMIMEHeaderKey(string(header)))
	for i := range len(name) {
		if c := name[i]; !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && c != '-' && c != '_' {
			return optionError(option, "header %q is not the name of a header", header)
		}
	}
	if name == "" {
		return optionError(option, "no header given")
	}
	if slices.Contains([]ForwardedHeader{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"}, name) {
		return optionError(option, "header %q does not hold the client's address", header)
	}
	if p.header != "" && p.header != name {
		return optionError(option, "both %s and %s given: one header only can be believed", p.header, name)
	}
	p.header = name
	return nil
}

// trust adds peers that are believed.
func (p *proxies) trust(option string, prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return optionError(option, "no prefixes given")
	}
	for _, prefix := range prefixes {
		if !prefix.IsValid() {
			return optionError(option, "invalid prefix given")
		}
		if prefix.Addr().Is4In6() {
			return optionError(option, "prefix %s: write an IPv4 prefix as such", prefix)
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
	}
	return nil
}

// check looks at what the options have come to.
func (p *proxies) check(c *config) error {
	if p.header == "" && (p.hops > 0 || p.prefix && p.function == nil) {
		return optionError("WithTrustedProxies", "missing: without it nothing is believed that WithProxyHops and WithForwardedPrefix are about")
	}
	if p.hops > 0 && p.header != XForwardedFor && p.header != Forwarded {
		return optionError("WithProxyHops", "%s holds one address: there are no hops in it", p.header)
	}
	if p.hops > 0 || p.header != XForwardedFor && p.header != Forwarded {
		return nil
	}
	for _, prefix := range p.prefixes {
		if isWide(prefix) {
			c.logger.Warn("everybody within a prefix of WithTrustedProxies can choose the address that is recorded: "+
				"name the proxies alone, or say with WithProxyHops how many there are", "prefix", prefix.String())
		}
	}
	return nil
}

// isWide reports whether a prefix is of a network rather than of some proxies:
// more than 256 addresses, or more than one network of IPv6. Loopback is not.
func isWide(p netip.Prefix) bool {
	if p.Addr().IsLoopback() {
		return false
	}
	if p.Addr().Is4() {
		return p.Bits() < 24
	}
	return p.Bits() < 64
}

// WithTruncatedAddresses records networks instead of addresses, for privacy:
// the first v4 bits of an IPv4 address, the first v6 of an IPv6 address (24
// and 48 are usual). It also cuts what tells two administrators apart.
func WithTruncatedAddresses(v4, v6 int) Option {
	return func(c *config) error {
		if v4 < 0 || v4 > 32 || v6 < 0 || v6 > 128 {
			return optionError("WithTruncatedAddresses", "%d and %d bits: want 0 to 32 and 0 to 128", v4, v6)
		}
		c.truncation = truncation{v4: v4, v6: v6}
		return nil
	}
}

// WithGeo records where the client's address is and whose network it is in, as f
// says; examples/geo has one that reads MaxMind databases. f is called
// for each request that is recorded, with the whole address also where
// [WithTruncatedAddresses] records a part of it, from many goroutines at once: it
// should look into memory and ask nobody. If it panics, the record goes without,
// which is counted.
func WithGeo(f func(netip.Addr) adminsessions.Geo) Option {
	return func(c *config) error {
		if f == nil {
			return optionError("WithGeo", "is nil")
		}
		c.geo = f
		return nil
	}
}

// setGeo never panics.
func (m *middleware) setGeo(e *adminsessions.Event, address netip.Addr) {
	if m.geo == nil || !address.IsValid() {
		return
	}
	defer m.omitPanic(e)
	g := m.geo(address)
	e.Geo = adminsessions.Geo{
		Country:  m.bounded(e, fieldCountry, g.Country),
		Locality: m.bounded(e, fieldLocality, g.Locality),
		Network:  m.bounded(e, fieldNetwork, g.Network),
	}
}
