package instrumentation

import (
	"net/http"
	"net/url"
)

// sentFrom says what a browser tells of the page that a request was sent from.
type sentFrom int

const (
	fromNobody    sentFrom = iota // it says nothing, as programs do
	fromPanel                     // a page of the panel
	fromUser                      // the address bar, a bookmark, or a link in another program
	fromElsewhere                 // another site, or nobody knows
)

// originOf reads Sec-Fetch-Site, which no page can forge. It is missing in old
// browsers and where a panel is served without TLS; then Origin tells, and of what
// has none, such as a link, Referer, which a page can leave out.
func originOf(r *http.Request) sentFrom {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		switch {
		case len(site) == 1 && site[0] == "same-origin":
			return fromPanel
		case len(site) == 1 && site[0] == "none":
			return fromUser
		}
		return fromElsewhere
	}
	for _, name := range [...]string{"Origin", "Referer"} {
		page := r.Header[name]
		if len(page) == 0 {
			continue
		}
		if u, err := url.Parse(page[0]); err == nil && len(page) == 1 && u.Host != "" && u.Host == r.Host {
			return fromPanel
		}
		return fromElsewhere
	}
	return fromNobody
}
