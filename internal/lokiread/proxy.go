// Package lokiread passes questions on to a Loki and nothing else: what
// deploy/gateway/read.conf does beside containers, the demo does with this.
//
// Whoever may use a Grafana data source may send any request to its address.
// One that is only given this address can read the trail, and neither write to
// it nor administer Loki.
package lokiread

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
)

// questions are the paths that only read. The same expression stands in
// deploy/gateway/read.conf.
const questions = `^/(metrics|ready|loki/api/v1/(query|query_range|tail|labels?|label/\w+/values|series|patterns|format_query|detected_labels|detected_fields|detected_field/\w[\w.:-]*/values|drilldown-limits|index/(stats|volume|volume_range|shards)|status/buildinfo))\z`

var isQuestion = regexp.MustCompile(questions)

// New returns a handler that passes on to loki, its base URL, what only reads.
// Everything else is answered with 403.
func New(loki *url.URL, logger *slog.Logger) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(loki)
			// Loki gets the path in the form in which it was compared.
			r.Out.URL.RawPath = ""
		},
		FlushInterval: -1, // answers are streamed
		ErrorLog:      slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(r) {
			http.Error(w, "this address answers questions to Loki and nothing else", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

func reads(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodHead:
	default:
		return false
	}
	// Live tailing is a WebSocket. Any other protocol could carry requests that
	// nobody looks at.
	if upgrade := r.Header.Values("Upgrade"); len(upgrade) > 1 || len(upgrade) == 1 && !strings.EqualFold(upgrade[0], "websocket") {
		return false
	}
	return isQuestion.MatchString(r.URL.Path)
}
