package instrumentation

import (
	"net/netip"
	"slices"
	"strings"
)

// WithTrustedProxies sets from which peers to believe the client's address,
// scheme and host, and in which header they write it. From them, too, a
// request id is taken over. Default: nobody is believed.
//
// The address recorded is the right-most one that is not itself in prefixes.
// The proxies must set the header or append to it; X-Forwarded-Proto and
// X-Forwarded-Host must be set by them, or a client can choose what is
// recorded as scheme and host.
func WithTrustedProxies(header ForwardedHeader, prefixes ...netip.Prefix) Option {
	return func(c *config) error {
		if !slices.Contains([]ForwardedHeader{XForwardedFor, Forwarded, XRealIP}, header) {
			return optionError("WithTrustedProxies", "header %q is none of XForwardedFor, Forwarded, XRealIP", header)
		}
		if len(prefixes) == 0 {
			return optionError("WithTrustedProxies", "no prefixes given")
		}
		if c.proxies.header != "" && c.proxies.header != header {
			return optionError("WithTrustedProxies", "both %s and %s given: one header only can be believed", c.proxies.header, header)
		}
		for _, p := range prefixes {
			if !p.IsValid() {
				return optionError("WithTrustedProxies", "invalid prefix given")
			}
			if p.Addr().Is4In6() {
				return optionError("WithTrustedProxies", "prefix %s: write an IPv4 prefix as such", p)
			}
			c.proxies.prefixes = append(c.proxies.prefixes, p.Masked())
		}
		c.proxies.header = header
		return nil
	}
}

// WithTrustedUnixSocket believes header also in requests that come through a
// Unix socket, which have no address of their own. See [WithTrustedProxies].
func WithTrustedUnixSocket(header ForwardedHeader) Option {
	return func(c *config) error {
		if !slices.Contains([]ForwardedHeader{XForwardedFor, Forwarded, XRealIP}, header) {
			return optionError("WithTrustedUnixSocket", "header %q is none of XForwardedFor, Forwarded, XRealIP", header)
		}
		if c.proxies.header != "" && c.proxies.header != header {
			return optionError("WithTrustedUnixSocket", "both %s and %s given: one header only can be believed", c.proxies.header, header)
		}
		c.proxies.header, c.proxies.unixSocket = header, true
		return nil
	}
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

// WithRedactedQuery hides the values of further query parameters, whatever
// the case of their names. "*" hides every value. Hidden by default are values
// whose name, or whose own form, looks like a secret's; docs/instrumentation.md
// has the rule.
func WithRedactedQuery(names ...string) Option {
	return func(c *config) error {
		for _, n := range names {
			switch n {
			case "":
				return optionError("WithRedactedQuery", "empty name given")
			case "*":
				c.redaction.all = true
				continue
			}
			if c.redaction.hidden == nil {
				c.redaction.hidden = map[string]bool{}
			}
			c.redaction.hidden[strings.ToLower(n)] = true
		}
		return nil
	}
}

// WithShownQuery shows the values of query parameters that only look like a
// secret by their name ("sort_key"). A value that itself looks like a secret
// stays hidden.
func WithShownQuery(names ...string) Option {
	return func(c *config) error {
		for _, n := range names {
			if n == "" || n == "*" {
				return optionError("WithShownQuery", "%q given: want the names of parameters", n)
			}
			if c.redaction.shown == nil {
				c.redaction.shown = map[string]bool{}
			}
			c.redaction.shown[strings.ToLower(n)] = true
		}
		return nil
	}
}

// WithRedactedPath hides segments of paths that are secrets. In a pattern like
// "/invite/{token}/accept" what stands in braces is hidden, "*" is any
// segment, and "{rest...}" at the end hides all that follows. A pattern means
// the whole path, as it stands in the URL with its escapes.
func WithRedactedPath(patterns ...string) Option {
	return func(c *config) error {
		for _, s := range patterns {
			p, err := parsePathPattern(s)
			if err != nil {
				return optionError("WithRedactedPath", "%w", err)
			}
			c.redaction.paths = append(c.redaction.paths, p)
		}
		return nil
	}
}
