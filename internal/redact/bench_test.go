package redact

import "testing"

// What a request usually brings, and what is said of it.
func BenchmarkUsual(b *testing.B) {
	r := hidePaths(b, "/invite/{token}")
	buf := make([]byte, 0, 4096)
	for name, f := range map[string]func(){
		"URL": func() { r.AppendURL(buf, "/admin/api/client/8a4c1a57", "page=2&order=name", 2048) },
		"URL with a UUID": func() {
			r.AppendURL(buf, "/admin/api/client/0b1f8f4e-7c1a-4a57-9d8c-6f0f5a7f0c55/products", "status=active", 2048)
		},
		"URL with escapes": func() { r.AppendURL(buf, "/admin/api/client/7", "q=anna%20kowalska&status=active", 2048) },
		"note":             func() { r.Text("client 7731 renamed") },
		"header":           func() { r.Header("Accept", "application/json", 512) },
		"route":            func() { r.RoutePattern("/admin/api/client/{uuid}") },
		"name":             func() { r.name("status") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
