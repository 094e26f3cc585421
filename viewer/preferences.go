package viewer

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	_ "time/tzdata" // the zones of viewers, on machines that have none installed
)

// Names of the cookies that hold what a viewer has chosen. They are set for
// the page's own path only and hold nothing secret.
const (
	cookieLanguage = "adminsessions_lang"
	cookieZone     = "adminsessions_zone"
	cookieTheme    = "adminsessions_theme"
)

// browserZone marks a zone that the browser has told and nobody has chosen, so
// that it can change with the browser.
const browserZone = "browser:"

// zones are some zones to choose from; any other of the IANA database can be
// typed.
var zones = []string{"UTC", "Africa/Johannesburg", "America/Chicago", "America/Los_Angeles", "America/New_York",
	"America/Sao_Paulo", "Asia/Dubai", "Asia/Kolkata", "Asia/Shanghai", "Asia/Singapore", "Asia/Tokyo",
	"Australia/Sydney", "Europe/Berlin", "Europe/Kyiv", "Europe/London", "Europe/Madrid", "Europe/Paris",
	"Europe/Warsaw"}

// themes are the values of the theme's cookie besides the system's own.
var themes = []string{"light", "dark"}

// preferences are what a viewer has chosen for every view.
type preferences struct {
	locale *locale
	zone   *time.Location
	// chosen is the zone of the cookie, empty where the browser's is wanted
	// but not known yet.
	chosen string
	theme  string
}

func (h *Handler) preferences(r *http.Request) preferences {
	p := preferences{locale: h.locales.of(r), zone: time.UTC}
	if c, err := r.Cookie(cookieZone); err == nil {
		if zone, err := loadZone(strings.TrimPrefix(c.Value, browserZone)); err == nil {
			p.zone, p.chosen = zone, c.Value
		}
	}
	if c, err := r.Cookie(cookieTheme); err == nil {
		for _, t := range themes {
			if c.Value == t {
				p.theme = t
			}
		}
	}
	return p
}

// loadZone reads a zone by its IANA name. The machine's own zone is none.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, fmt.Errorf("time zone %.70q, want an IANA name such as Europe/Warsaw", name)
	}
	return time.LoadLocation(name)
}

// choose stores preferences given in the URL and reports whether there were
// any; the answer then leads back to the view without them.
func (h *Handler) choose(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	if !q.Has("set") {
		return false
	}
	set := func(name, value string) {
		c := &http.Cookie{Name: name, Value: value, MaxAge: 365 * 24 * 3600, SameSite: http.SameSiteLaxMode,
			Secure: r.TLS != nil}
		if value == "" {
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
	if q.Has("lang") {
		lang := ""
		for _, l := range h.locales.all {
			if l.Code == q.Get("lang") {
				lang = l.Code
			}
		}
		set(cookieLanguage, lang)
	}
	if q.Has("zone") {
		zone := q.Get("zone")
		if _, err := loadZone(strings.TrimPrefix(zone, browserZone)); err != nil {
			zone = ""
		}
		set(cookieZone, zone)
	}
	if q.Has("theme") {
		theme := ""
		for _, t := range themes {
			if q.Get("theme") == t {
				theme = t
			}
		}
		set(cookieTheme, theme)
	}
	for _, name := range []string{"set", "lang", "zone", "theme"} {
		q.Del(name)
	}
	redirect(w, q)
	return true
}
