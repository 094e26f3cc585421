package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/adminsessions/adminsessions/instrumentation"
)

type signInPage struct {
	Email  string
	Next   string // where to go afterwards
	Failed bool
}

func (p *panel) signInForm(w http.ResponseWriter, r *http.Request) {
	if accountOf(r) != nil {
		http.Redirect(w, r, "/admin/", http.StatusSeeOther)
		return
	}
	p.render(w, r, http.StatusOK, "sign-in", signInPage{Next: safeNext(r.URL.Query().Get("next"))})
}

func (p *panel) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	email := strings.TrimSpace(r.PostFormValue("email"))
	who := p.accounts.check(email, r.PostFormValue("password"))
	attempt{name: email, failed: who == nil}.record(r.Context())
	if who == nil {
		p.render(w, r, http.StatusUnauthorized, "sign-in",
			signInPage{Email: email, Next: safeNext(r.PostFormValue("next")), Failed: true})
		return
	}
	instrumentation.SetAdmin(r.Context(), who.user())
	instrumentation.SetActor(r.Context(), who.actor(nil))
	cookie := newSessionCookie(r)
	cookie.Value = p.sessions.start(who)
	http.SetCookie(w, cookie)
	http.Redirect(w, r, safeNext(r.PostFormValue("next")), http.StatusSeeOther)
}

func (p *panel) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		p.sessions.end(cookie.Value)
	}
	cookie := newSessionCookie(r)
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
	http.Redirect(w, r, "/admin/login", http.StatusSeeOther)
}

// newSessionCookie is for TLS only where the panel is asked over TLS: the demo
// is plain HTTP on loopback.
func newSessionCookie(r *http.Request) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Path: "/admin/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	}
}

// signInPath leads back to the page asked for, if asking again is harmless.
func signInPath(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/admin/" {
		return "/admin/login"
	}
	return "/admin/login?next=" + url.QueryEscape(r.URL.RequestURI())
}

// safeNext is next if it is a page of this panel, else the dashboard: a link
// to the sign-in form must not lead elsewhere.
func safeNext(next string) string {
	target, err := url.Parse(next)
	if err != nil || target.Host != "" || target.Scheme != "" ||
		!strings.HasPrefix(target.Path, "/admin/") || strings.Contains(next, `\`) {
		return "/admin/"
	}
	return next
}
