// Package geo is an example of [instrumentation.WithGeo]: it looks addresses up in
// MaxMind databases, GeoLite2 City or Country, and ASN. Copy it.
//
//	places, err := geo.Open("GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb")
//	if err != nil {
//		return err
//	}
//	defer places.Close() // after the server has ended
//	record, err := instrumentation.NewMiddleware(instrumentation.WithGeo(places.Find), …)
//
// A lookup takes about a microsecond and asks nobody. The databases are read where
// they lie: put a new one in the old one's place by renaming it, and open it with
// the next start.
//
// [instrumentation.WithGeo]: https://pkg.go.dev/github.com/adminsessions/adminsessions/instrumentation#WithGeo
package geo

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/adminsessions/adminsessions"
)

// Places looks into the databases that [Open] has opened.
type Places []*maxminddb.Reader

// Open opens databases. What one does not know another one may.
func Open(files ...string) (Places, error) {
	var p Places
	for _, file := range files {
		db, err := maxminddb.Open(file)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the database of places %s: %w", file, err), p.Close())
		}
		p = append(p, db)
	}
	return p, nil
}

// Close closes the databases. Nothing may be looked up any more.
func (p Places) Close() error {
	var errs []error
	for _, db := range p {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// Find returns what is known of an address.
func (p Places) Find(a netip.Addr) adminsessions.Geo {
	var found struct {
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
		City struct {
			Names struct {
				English string `maxminddb:"en"`
			} `maxminddb:"names"`
		} `maxminddb:"city"`
		Number       uint   `maxminddb:"autonomous_system_number"`
		Organization string `maxminddb:"autonomous_system_organization"`
	}
	for _, db := range p {
		if db.Lookup(a).Decode(&found) != nil {
			continue // a damaged database knows nothing
		}
	}
	g := adminsessions.Geo{Country: found.Country.Code, Locality: found.City.Names.English}
	if found.Number != 0 {
		g.Network = fmt.Sprintf("AS%d %s", found.Number, found.Organization)
	}
	return g
}
