package viewer

import (
	"fmt"
	"net/http"
	"slices"
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

// serveSettings stores preferences that the page's own form sends, and leads back
// to the view. Another site's form is refused: what somebody reads, and in which
// zone, is not for others to change.
func (h *Handler) serveSettings(w http.ResponseWriter, r *http.Request) {
	if err := h.origin.Check(r); err != nil {
		h.writeProblem(w, r, http.StatusForbidden, "cross_origin", "requests from other sites are refused")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		h.writeProblem(w, r, http.StatusBadRequest, "bad_request", "the form can't be read")
		return
	}
	form := r.PostForm
	set := func(name, field string, allowed func(string) bool) {
		if !form.Has(field) {
			return
		}
		c := &http.Cookie{Name: name, Value: form.Get(field), MaxAge: 365 * 24 * 3600, SameSite: http.SameSiteLaxMode,
			Secure: r.TLS != nil}
		if !allowed(c.Value) {
			c.Value, c.MaxAge = "", -1
		}
		http.SetCookie(w, c)
		form.Del(field)
	}
	set(cookieLanguage, "lang", func(s string) bool {
		return slices.ContainsFunc(h.locales.all, func(l *locale) bool { return l.Code == s })
	})
	set(cookieZone, "zone", func(s string) bool {
		_, err := loadZone(strings.TrimPrefix(s, browserZone))
		return err == nil
	})
	set(cookieTheme, "theme", func(s string) bool { return slices.Contains(themes, s) })
	redirect(w, form)
}
