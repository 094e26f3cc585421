package geo

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/adminsessions/adminsessions"
)

// database writes a database that knows one network.
func database(t *testing.T, kind, network string, record mmdbtype.Map) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	_, ipnet, err := net.ParseCIDR(network)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Insert(ipnet, record); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), kind+".mmdb")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPlaces(t *testing.T) {
	city := database(t, "GeoLite2-City", "203.0.113.0/24", mmdbtype.Map{
		"country": mmdbtype.Map{"iso_code": mmdbtype.String("PL")},
		"city":    mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Warsaw"), "pl": mmdbtype.String("Warszawa")}},
	})
	asn := database(t, "GeoLite2-ASN", "203.0.113.0/24", mmdbtype.Map{
		"autonomous_system_number": mmdbtype.Uint32(64496), "autonomous_system_organization": mmdbtype.String("Example"),
	})
	p, err := Open(city, asn)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got, want := p.Find(netip.MustParseAddr("203.0.113.7")), (adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS64496 Example"}); got != want {
		t.Errorf("found %+v, want %+v", got, want)
	}
	for _, unknown := range []string{"198.51.100.1", "::1", "2001:db8::1"} {
		if got := p.Find(netip.MustParseAddr(unknown)); got != (adminsessions.Geo{}) {
			t.Errorf("%s is found in %+v", unknown, got)
		}
	}
	if _, err := Open(city, filepath.Join(t.TempDir(), "nosuch.mmdb")); err == nil || !strings.Contains(err.Error(), "nosuch.mmdb") {
		t.Errorf("a database that is not there: %v", err)
	}
}
