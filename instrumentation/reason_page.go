package instrumentation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
)

// askReason answers a request that does not say why it is made, and should.
func (s *scope) askReason(r *http.Request, form sentForm) {
	e := &s.rec.event
	e.ErrorType = errorTypeReason
	s.hideSecrets()
	h := s.Header()
	h.Set("Cache-Control", "no-store") // as RFC 6585 wants of a 428
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept, Accept-Language")
	if e.Type == adminsessions.API || !strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html") {
		h.Set("Content-Type", "application/problem+json")
		s.WriteHeader(http.StatusPreconditionRequired)
		_ = json.NewEncoder(s).Encode(reasonProblem(e.RequestID)) // who has left need not be told
		return
	}
	style := sha256.Sum256([]byte(reasonStyle))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(style[:])+
		"'; base-uri 'none'; frame-ancestors 'self'") // no form-action: the answer may lead to another site
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "same-origin")
	s.WriteHeader(http.StatusPreconditionRequired)
	_, _ = s.Write([]byte(s.m.reasonPage(r, e, form)))
}

func reasonProblem(id string) any {
	return struct {
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
	}{
		"A reason is required", http.StatusPreconditionRequired,
		"Nothing was done. Say in the header " + reasonHeader + ", or in the form field " + reasonField +
			", why this is done, and send the request again. The reason goes on record.",
		id,
	}
}

const reasonStyle = `body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem;color:#1c2430;background:#fff}` +
	`label{display:block;margin:1rem 0 .25rem;font-weight:600}textarea,input{box-sizing:border-box;width:100%;font:inherit;padding:.5rem;border:1px solid #5b6675;border-radius:4px}` +
	`button{font:inherit;margin-top:1rem;padding:.5rem 1.25rem;border:0;border-radius:4px;color:#fff;background:#1f5fbf}code{overflow-wrap:anywhere}small{color:#4a5563}` +
	`@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14181f}textarea,input{color:inherit;background:#1d232c}small{color:#a9b3c0}}`

// reasonPage asks for the reason, and sends the same form again to the same
// address, unless it came from elsewhere.
func (m *middleware) reasonPage(r *http.Request, e *adminsessions.Event, form sentForm) string {
	var b strings.Builder
	p := func(parts ...string) {
		for _, part := range parts {
			b.WriteString(part)
		}
	}
	languages := reasonLanguages()
	say := languages[m.reasonLanguage.Of(r)]
	p(`<!doctype html><html lang="`, say.language, `"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">`,
		`<title>`, say.title, `</title><style>`, reasonStyle, `</style></head><body><main><h1>`, say.title, `</h1>`,
		`<p>`, say.nothing, `</p><p><code>`, html.EscapeString(e.Method+" "+pathOf(e.URL)), `</code></p>`)
	inputs, again := "", form.again && sendsForms(r)
	if again {
		inputs, again = m.inputs(form.values, say.again)
	}
	switch from := originOf(r); {
	case from != fromPanel && from != fromUser:
		p(`<p>`, say.elsewhere, `</p>`)
	case again:
		p(`<form method="`, formMethod(r), `"`)
		if form.kind == multipartForm {
			p(` enctype="multipart/form-data"`)
		}
		p(`>`, inputs, `<label for="audit-reason">`, say.why, `</label>`,
			`<textarea id="audit-reason" name="`, reasonField, `" rows="3" maxlength="1000" required autofocus></textarea>`,
			`<button>`, say.proceed, `</button></form>`)
	default:
		p(`<p>`, say.unsent, `</p><p>`, fmt.Sprintf(say.by, `<code>`+reasonField+`</code>`, `<code>`+reasonHeader+`</code>`), `</p>`)
	}
	p(`<p><small>`, say.request, ` `, html.EscapeString(e.RequestID), `</small></p></main></body></html>`)
	return b.String()
}

// sendsForms reports whether a browser sends forms by the method.
func sendsForms(r *http.Request) bool { return r.Method == http.MethodPost || formMethod(r) == "get" }

func formMethod(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return "get"
	}
	return "post"
}

// inputs are the fields of a form for sending them again. A password has to be
// typed again: it is not written into a page.
func (m *middleware) inputs(values url.Values, again string) (string, bool) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name == reasonField {
			continue
		}
		for _, value := range values[name] {
			if !survivesHTML(name) || !survivesHTML(value) {
				return "", false
			}
			escaped := html.EscapeString(name)
			if value != "" && m.redaction.HidesName(name, value) && !isForgeryToken(name) {
				b.WriteString(`<label>` + escaped + ` (` + again + `)<input type="password" name="` + escaped + `" autocomplete="off" required></label>`)
				continue
			}
			b.WriteString(`<input type="hidden" name="` + escaped + `" value="` + html.EscapeString(value) + `">`)
		}
	}
	return b.String(), true
}

// survivesHTML reports whether a browser sends a text as it stands in the page.
func survivesHTML(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f
	})
}

// isForgeryToken reports whether a field protects a form against forgery: it has
// a secret's name, and must be sent again as it is.
func isForgeryToken(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"csrf", "xsrf", "authenticity_token", "verificationtoken", "antiforgery", "nonce", "[_token]"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return name == "_token"
}
