package main

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/adminsessions/adminsessions/instrumentation"
)

// settings are the company's; they live in memory.
type settings struct {
	mu    sync.RWMutex
	value company
}

// A company is what its settings page shows.
type company struct {
	Name         string
	SupportEmail string
	Currency     string
}

var currencies = []string{"EUR", "GBP", "PLN", "USD"}

func newSettings() *settings {
	return &settings{value: company{Name: "Northbridge Hosting", SupportEmail: "support@example.com", Currency: "EUR"}}
}

func (s *settings) get() company {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.value
}

// set returns what they were before.
func (s *settings) set(c company) (before company) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.value = s.value, c
	return before
}

type settingsPage struct {
	Company    company
	Currencies []string
	Faults     faults
	Saved      bool
	Tokens     []*token
	NewToken   string // shown once
}

func (p *panel) settingsPage(w http.ResponseWriter, r *http.Request, code int, page settingsPage) {
	page.Currencies, page.Tokens = currencies, p.tokens.of(accountOf(r))
	p.render(w, r, code, "settings", page)
}

func (p *panel) showSettings(w http.ResponseWriter, r *http.Request) {
	p.settingsPage(w, r, http.StatusOK, settingsPage{Company: p.settings.get(), Saved: r.URL.Query().Has("saved")})
}

func (p *panel) saveSettings(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	in := company{
		Name:         strings.TrimSpace(r.PostFormValue("name")),
		SupportEmail: strings.TrimSpace(r.PostFormValue("support_email")),
		Currency:     r.PostFormValue("currency"),
	}
	wrong := make(faults)
	if in.Name == "" || len(in.Name) > 80 {
		wrong["name"] = "must have 1 to 80 letters"
	}
	if !strings.Contains(in.SupportEmail, "@") || len(in.SupportEmail) > 120 {
		wrong["support_email"] = "is not an e-mail address"
	}
	if !slices.Contains(currencies, in.Currency) {
		wrong["currency"] = "must be one of " + strings.Join(currencies, ", ")
	}
	if len(wrong) > 0 {
		p.settingsPage(w, r, http.StatusUnprocessableEntity, settingsPage{Company: in, Faults: wrong})
		return
	}
	instrumentation.Changed(r.Context(), p.settings.set(in), in)
	http.Redirect(w, r, "/admin/settings?saved", http.StatusSeeOther)
}

func (p *panel) createToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	label := strings.TrimSpace(r.PostFormValue("label"))
	if label == "" || len(label) > 60 {
		p.settingsPage(w, r, http.StatusUnprocessableEntity, settingsPage{
			Company: p.settings.get(), Faults: faults{"label": "must have 1 to 60 letters"},
		})
		return
	}
	secret := rand.Text()
	made := p.tokens.add(accountOf(r), label, secret, "")
	instrumentation.SetResource(r.Context(), made.resource())
	p.settingsPage(w, r, http.StatusCreated, settingsPage{Company: p.settings.get(), NewToken: secret})
}

func (p *panel) revokeToken(w http.ResponseWriter, r *http.Request) {
	revoked := p.tokens.revoke(accountOf(r), r.PathValue("id"))
	if revoked == nil {
		p.fail(w, r, http.StatusNotFound)
		return
	}
	instrumentation.SetResource(r.Context(), revoked.resource())
	http.Redirect(w, r, "/admin/settings", http.StatusSeeOther)
}
