package viewer

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// methods are the methods that are recorded, the common ones first.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "TRACE", "CONNECT", "_OTHER"}

const mainMethods = 5 // how many of the methods the form always shows

var (
	types       = []adminsessions.Type{adminsessions.Web, adminsessions.API}
	classes     = []string{"2xx", "3xx", "4xx", "5xx"} // that the form always shows
	statusForms = regexp.MustCompile(`^([1-9][0-9][0-9]|[1-5]xx)$`)
)

// filters reads the filters that have certain values.
func (r *viewReader) filters(v *view) {
	for _, s := range r.q["type"] {
		switch t := adminsessions.Type(strings.ToUpper(s)); {
		case slices.Contains(types, t):
			v.types = appendNew(v.types, t)
		case s != "":
			r.fail("type", "error.bad_filter", "%.20q, want web or api", s)
		}
	}
	for _, s := range r.q["method"] {
		switch m := strings.ToUpper(s); {
		case slices.Contains(methods, m):
			v.methods = appendNew(v.methods, m)
		case s != "":
			r.fail("method", "error.bad_filter", "%.20q, want one of %s", s, strings.Join(methods, ", "))
		}
	}
	for _, s := range r.q["status"] {
		switch c := strings.ToLower(s); {
		case statusForms.MatchString(c):
			v.statuses = appendNew(v.statuses, c)
		case s != "":
			r.fail("status", "error.bad_filter", "%.20q, want a code such as 404, or a class such as 4xx", s)
		}
	}
	if s := strings.TrimSpace(r.q.Get("ip")); s != "" {
		var err error
		if v.addresses, err = parseAddresses(s); err != nil {
			r.fail("ip", "error.bad_ip", "%w", err)
		}
	}
}

// parseAddresses reads an address or a network, in whatever form people write
// them, as the network in its canonical form, without a port or a zone.
func parseAddresses(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil || strings.HasPrefix(s, "[") != strings.HasSuffix(s, "]") {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%.60q, want an IP address or a network, such as 10.2.3.4, 2001:db8::1 or 10.0.0.0/8", s)
		}
		a = withPort.Addr()
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// addressText is the address or network as it stands in the URL.
func (v *view) addressText() string {
	switch {
	case !v.addresses.IsValid():
		return ""
	case v.addresses.IsSingleIP():
		return v.addresses.Addr().String()
	}
	return v.addresses.String()
}
