package policy

// profiles are the rules that come with the program, by the name of the
// profile.
func profiles() map[string][]Rule {
	quiet := []Rule{
		{Name: "assets", Record: "count", Methods: []string{"GET"}, Paths: []string{
			"/assets/", "/static/", "/build/", "/css/", "/js/", "/fonts/", "/images/", "/img/", "/favicon.ico", "/robots.txt", "/manifest.json",
		}},
		{Name: "probes", Record: "count", Methods: []string{"GET"}, Paths: []string{"/healthz", "/livez", "/readyz", "/up", "/ping"}},
		{Name: "not modified", Record: "count", Methods: []string{"GET"}, Status: []string{"304"}},
	}
	writes := Rule{Name: "writes", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Strict: true, BodyHash: true}
	return map[string][]Rule{
		"":              nil,
		"everything":    nil,
		"quiet":         quiet,
		"strict-writes": append([]Rule{writes}, quiet...),
	}
}
