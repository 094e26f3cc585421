package instrumentation

import (
	"net/http"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// DefaultInterface tells pages from programs. A request is [adminsessions.API]
// when
//
//   - one of the first two segments of its path is "api" (/api/…, /admin/api/…), or
//   - it carries a program's credentials: X-Api-Key, or Authorization with a
//     scheme other than those that browsers ask a person for (Basic, Digest,
//     Negotiate, NTLM), or
//   - it accepts JSON and does not accept HTML,
//
// and [adminsessions.Web] otherwise.
func DefaultInterface(r *http.Request) adminsessions.Type {
	if hasAPISegment(r.URL.Path) || hasProgramCredentials(r.Header) || prefersJSON(r.Header["Accept"]) {
		return adminsessions.API
	}
	return adminsessions.Web
}

// APIUnder is the rule of panels whose API stands under fixed path prefixes
// ("/admin/api/"): a request is [adminsessions.API] if its path starts with
// one of them and [adminsessions.Web] if not.
func APIUnder(prefixes ...string) func(*http.Request) adminsessions.Type {
	return func(r *http.Request) adminsessions.Type {
		for _, p := range prefixes {
			if strings.HasPrefix(r.URL.Path, p) {
				return adminsessions.API
			}
		}
		return adminsessions.Web
	}
}

func hasAPISegment(path string) bool {
	path = strings.TrimPrefix(path, "/")
	first, rest, _ := strings.Cut(path, "/")
	second, _, _ := strings.Cut(rest, "/")
	return first == "api" || second == "api"
}

func hasProgramCredentials(h http.Header) bool {
	if len(h["X-Api-Key"]) > 0 {
		return true
	}
	auth := h["Authorization"]
	if len(auth) == 0 {
		return false
	}
	scheme, _, _ := strings.Cut(auth[0], " ")
	for _, browser := range [...]string{"basic", "digest", "negotiate", "ntlm"} {
		if strings.EqualFold(scheme, browser) {
			return false
		}
	}
	return true
}

func prefersJSON(accept []string) bool {
	json := false
	for _, a := range accept {
		if strings.Contains(a, "text/html") {
			return false
		}
		json = json || strings.Contains(a, "/json") || strings.Contains(a, "+json")
	}
	return json
}
