package main

import (
	"net/netip"

	"github.com/adminsessions/adminsessions"
)

// places are where the demo's addresses are. A real panel looks into a database,
// such as MaxMind's: examples/geo.
var places = []struct {
	net netip.Prefix
	adminsessions.Geo
}{
	{netip.MustParsePrefix("10.2.0.0/16"), adminsessions.Geo{Country: "PL", Locality: "Kraków", Network: "office"}},
	{netip.MustParsePrefix("89.64.0.0/13"), adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS64496 Example Mobile"}},
	{netip.MustParsePrefix("192.0.2.0/24"), adminsessions.Geo{Country: "DE", Locality: "Berlin", Network: "AS64497 Example Fibre"}},
	{netip.MustParsePrefix("2001:db8:40::/48"), adminsessions.Geo{Country: "IE", Locality: "Dublin", Network: "AS64498 Example Cable"}},
	{netip.MustParsePrefix("203.0.113.0/24"), adminsessions.Geo{Country: "NL", Network: "AS64499 Example VPN"}},
	{netip.MustParsePrefix("198.51.100.0/24"), adminsessions.Geo{Country: "US", Locality: "Ashburn", Network: "AS64500 Example Cloud"}},
}

func geo(a netip.Addr) adminsessions.Geo {
	for _, p := range places {
		if p.net.Contains(a) {
			return p.Geo
		}
	}
	return adminsessions.Geo{}
}
