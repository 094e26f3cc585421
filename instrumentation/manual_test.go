package instrumentation_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

// The examples of docs/instrumentation.md and of the package's comment stand
// here word for word, where they are compiled and run.

func manualSetup(provider log.LoggerProvider, server *http.Server, mux http.Handler) error {
	counted := instrumentationmetrics.New() // a package of its own
	prometheus.MustRegister(counted)
	record, err := instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(provider), // exporter's
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("10.0.0.5/32")),
		instrumentation.WithFilter("assets", instrumentation.Routes("/assets/", "GET /healthz")),
		instrumentation.WithMetrics(counted),
		instrumentation.WithOTelHTTP(), // traces and OpenTelemetry's metrics, if there is an SDK
	)
	if err != nil {
		return err
	}
	server.Handler = record(mux)
	return nil
}

func packageComment(t *testing.T, spoolDir string, server *http.Server, mux http.Handler) error {
	exp, err := exporter.New(exporter.WithSpoolDir(spoolDir))
	if err != nil {
		return err
	}
	record, err := instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(exp.LoggerProvider()),
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("10.0.0.5/32")),
		instrumentation.WithFilter("assets", instrumentation.Routes("/assets/", "GET /healthz")),
	)
	if err != nil {
		return err
	}
	server.Handler = record(mux)
	t.Cleanup(func() { _ = exp.LoggerProvider().Shutdown(t.Context()) })
	return nil
}

func manualStatements(r *http.Request, panel accounts, key []byte) {
	instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"})
	instrumentation.WithSignInNames(panel.HasAccount, key)                  // names of accounts in clear, others hashed
	instrumentation.WithSignInNames(func(string) bool { return true }, nil) // every name in clear
}

type accounts struct{}

func (accounts) HasAccount(name string) bool { return name == "anna" }

// manualOptions are the calls that stand in the text.
func manualOptions(counted *instrumentationmetrics.Collector, p *instrumentation.Policy) []instrumentation.Option {
	return []instrumentation.Option{
		instrumentation.WithPolicy(p),
		instrumentation.WithBodyFields("plan", "client.id"),
		instrumentation.WithStrict(instrumentation.Routes("DELETE /admin/", "/admin/settings/")),
		instrumentation.WithStrict(instrumentation.Routes("DELETE /admin/")),
		instrumentation.WithFormFields("name", "status"),
		instrumentation.WithMetrics(counted),
		instrumentation.WithTruncatedAddresses(24, 48),
		instrumentation.WithProxyHops(1),
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("10.0.0.5/32")),
		instrumentation.WithRedactedQuery("customer"),
		instrumentation.WithShownQuery("badge_code"),
		instrumentation.WithRedactedPath("/invite/{token}/accept"),
	}
}

func TestTheManualsExamplesRun(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /admin/clients/{id}", func(w http.ResponseWriter, r *http.Request) {
		manualStatements(r, accounts{}, make([]byte, 16))
		w.WriteHeader(http.StatusNoContent)
	})
	var s sink
	var first, second http.Server
	if err := manualSetup(&s, &first, mux); err != nil {
		t.Fatal(err)
	}
	if err := packageComment(t, t.TempDir(), &second, mux); err != nil {
		t.Fatal(err)
	}
	policy, err := instrumentation.NewPolicy()
	if err != nil {
		t.Fatal(err)
	}
	third := newMiddleware(t, &s, manualOptions(instrumentationmetrics.New(), policy)...)(mux)
	for _, h := range []http.Handler{first.Handler, second.Handler, third} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("DELETE", "/admin/clients/7", nil))
		if w.Code != http.StatusNoContent || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("answer %d %v", w.Code, w.Header())
		}
	}
	if events := s.Events(); len(events) != 3 || events[2].Stage != adminsessions.Complete || events[2].User.Email != "anna@example.com" {
		t.Errorf("recorded %q", recordtest.Lines(events))
	}
}

var (
	goBlock    = regexp.MustCompile("(?s)```go\n(.*?)```")
	inlineCall = regexp.MustCompile("`((?:With|Routes|When)\\w*\\([^`…]*\\))`")
	indent     = regexp.MustCompile(`(?m)^\s+`)
	spaces     = regexp.MustCompile(` +//`)
)

func TestTheManualsExamplesAreTheseOnes(t *testing.T) {
	source := plainCode(t, readFile(t, "manual_test.go"))
	unqualified := strings.ReplaceAll(source, "instrumentation.", "")
	manual := readFile(t, "../docs/instrumentation.md")
	blocks := goBlock.FindAllStringSubmatch(manual, -1)
	for _, m := range blocks {
		if !strings.Contains(source, plainCode(t, m[1])) {
			t.Errorf("docs/instrumentation.md has an example that manual_test.go does not have:\n%s", m[1])
		}
	}
	calls := 0
	for _, m := range inlineCall.FindAllStringSubmatch(manual, -1) {
		if strings.Contains(m[1], "func(") || strings.Contains(m[1], "()") || strings.Contains(m[1], "(header)") {
			continue // says what it takes
		}
		calls++
		if !strings.Contains(unqualified, m[1]) {
			t.Errorf("docs/instrumentation.md says %s, manual_test.go does not", m[1])
		}
	}
	if len(blocks) < 2 || calls < 5 {
		t.Errorf("%d blocks and %d calls found", len(blocks), calls)
	}
	comment := readFile(t, "doc.go")
	code := regexp.MustCompile(`(?m)^//\t.*(\n//\t.*)*`).FindAllString(comment, -1)
	for _, c := range code {
		if c = plainCode(t, strings.ReplaceAll(c, "//\t", "")); !strings.Contains(source, c) {
			t.Errorf("doc.go has an example that manual_test.go does not have:\n%s", c)
		}
	}
	if len(code) != 2 {
		t.Errorf("%d examples found in doc.go", len(code))
	}
}

// plainCode is code without what gofmt aligns.
func plainCode(t *testing.T, code string) string {
	t.Helper()
	return spaces.ReplaceAllString(indent.ReplaceAllString(code, ""), " //")
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
