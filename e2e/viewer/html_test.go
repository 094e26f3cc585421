package viewer

import (
	"html"
	"io"
	"net/http"
	"regexp"
	"testing"
)

// page is the HTML of a view.
func (p *panel) page(t testing.TB, query string) string {
	t.Helper()
	resp, err := p.get(t.Context(), prefix+query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v\n%s", query, resp.StatusCode, err, body)
	}
	return string(body)
}

var rowKey = regexp.MustCompile(`<tr [^>]*data-key="([^"]+)"`)

// rowKeys name the rows of a page.
func rowKeys(body string) []string {
	var keys []string
	for _, m := range rowKey.FindAllStringSubmatch(body, -1) {
		keys = append(keys, m[1])
	}
	return keys
}

// linkOf is where the link with an attribute leads.
func linkOf(body, attribute string) string {
	m := regexp.MustCompile(`<a [^>]*` + attribute + `[^>]*href="([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}
