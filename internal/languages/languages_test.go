package languages_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/languages"
)

func TestOf(t *testing.T) {
	m := languages.NewMatcher("en", "pl")
	for accept, want := range map[string]int{
		"": 0, "*": 0, "pl": 1, "pl-PL,pl;q=0.9,en;q=0.1": 1, "en-GB,pl;q=0.9": 0, "de,pl;q=0.5": 1, "de": 0,
		"pl;q=0,en": 0, ";;;=": 0, strings.Repeat("x-", 1000) + ",pl": 0,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", accept)
		if got := m.Of(r); got != want {
			t.Errorf("%.40q: %d, want %d", accept, got, want)
		}
	}
}
