package instrumentation_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// printer stands where the exporter's provider would: it prints what people read
// of each record instead of delivering it.
type printer struct{ sink }

func (p *printer) RecordEvent(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	fmt.Println(people(*e))
	return p.sink.RecordEvent(ctx, e, d)
}

func must(mw func(http.Handler) http.Handler, err error) func(http.Handler) http.Handler {
	if err != nil {
		panic(err)
	}
	return mw
}

// visit sends a request as a client at 192.0.2.1 would.
func visit(h http.Handler, method, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func Example() {
	record, err := instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(&printer{}), // in a program: exporter's
		instrumentation.WithFilter("assets", instrumentation.Routes("/assets/", "GET /healthz")),
	)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/clients", func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.SetAdmin(r.Context(), adminsessions.User{FullName: "Anna Kowalska", Email: "anna@example.com"})
	})
	handler := record(mux)

	visit(handler, "GET", "https://demo.example/admin/clients?page=2&api_key=abc")
	visit(handler, "GET", "https://demo.example/healthz")
	visit(handler, "GET", "https://demo.example/nowhere")
	// Output:
	// type=WEB method=GET status=200 email=anna@example.com ip=192.0.2.1 id=- action=clients.list outcome=success url="https://demo.example/admin/clients?page=2&api_key=REDACTED" name="Anna Kowalska"
	// type=WEB method=GET status=404 email=- ip=192.0.2.1 id=- action=- outcome=failure url="https://demo.example/nowhere"
}

// The request itself tells who sends it: here in a header that a proxy has
// set after it has authenticated the client.
func ExampleWithAdmin() {
	record := must(instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(&printer{}),
		instrumentation.WithAdmin(func(r *http.Request) adminsessions.User {
			return adminsessions.User{Email: r.Header.Get("X-Authenticated-Email")}
		}),
	))
	visit(record(ok), "GET", "https://demo.example/admin/", "X-Authenticated-Email", "anna@example.com")
	// Output:
	// type=WEB method=GET status=200 email=anna@example.com ip=192.0.2.1 id=- action=admin.view outcome=success url="https://demo.example/admin/"
}

// Authentication further in gives the request a context that is not made from
// the one it had.
func ExampleRecording_Attach() {
	record := must(instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&printer{})))
	authenticate := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			own := instrumentation.FromContext(r.Context()).Attach(context.Background())
			next.ServeHTTP(w, r.WithContext(own))
		})
	}
	visit(record(authenticate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.SetAdmin(r.Context(), adminsessions.User{FullName: "Anna Kowalska"})
	}))), "GET", "https://demo.example/admin/")
	// Output:
	// type=WEB method=GET status=200 email=- ip=192.0.2.1 id=- action=admin.view outcome=success url="https://demo.example/admin/" name="Anna Kowalska"
}

func ExampleSignIn() {
	record := must(instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&printer{})))
	login := record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("name")
		if r.FormValue("password") != "correct horse battery staple" {
			instrumentation.SignIn(r.Context(), name, adminsessions.SignInFailure)
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		instrumentation.SignIn(r.Context(), name, adminsessions.SignInSuccess)
	}))
	r := httptest.NewRequest("POST", "https://demo.example/login", strings.NewReader("name=mallory@example.com&password=123456"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	login.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// type=WEB method=POST status=401 email=- ip=192.0.2.1 id=- action=login outcome=failure url="https://demo.example/login" signin="failure" tried="mallory@example.com"
}

// An administrator looks at the panel as a customer sees it.
func ExampleSetTarget() {
	record := must(instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&printer{})))
	visit(record(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.SetAdmin(r.Context(), adminsessions.User{FullName: "Anna Kowalska", Email: "anna@example.com"})
		instrumentation.SetTarget(r.Context(), adminsessions.User{Email: "customer@example.com"})
	})), "GET", "https://demo.example/invoices")
	// Output:
	// type=WEB method=GET status=200 email=anna@example.com ip=192.0.2.1 id=- action=invoices.list outcome=success url="https://demo.example/invoices" name="Anna Kowalska" as_email="customer@example.com"
}

func ExampleAnnotate() {
	p := &printer{}
	record := must(instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(p)))
	visit(record(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		instrumentation.Annotate(r.Context(), "client 7731 suspended", attribute.Int("client.id", 7731))
		instrumentation.Annotate(r.Context(), "2 invoices paused")
	})), "POST", "https://demo.example/admin/api/client/7731/suspend")
	for _, kv := range p.Events()[0].Attributes {
		fmt.Printf("%s = %s\n", kv.Key, kv.Value)
	}
	// Output:
	// type=API method=POST status=200 email=- ip=192.0.2.1 id=- action=client.suspend outcome=success url="https://demo.example/admin/api/client/7731/suspend" object="client" object_id="7731" note="client 7731 suspended\n2 invoices paused"
	// client.id = 7731
}

func ExampleWithTrustedProxies() {
	record := must(instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(&printer{}),
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("192.0.2.0/24")),
		instrumentation.WithTruncatedAddresses(24, 48),
	))
	visit(record(ok), "GET", "http://panel.internal/admin/",
		"X-Forwarded-For", "1.1.1.1, 203.0.113.77", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "demo.example")
	// Output:
	// type=WEB method=GET status=200 email=- ip=203.0.113.0 id=- action=admin.view outcome=success url="https://demo.example/admin/"
}

// Two kinds of secrets in URLs that no rule could know.
func ExampleWithRedactedPath() {
	record := must(instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(&printer{}),
		instrumentation.WithRedactedPath("/invite/{token}/accept"),
		instrumentation.WithRedactedQuery("voucher"),
	))
	visit(record(ok), "GET", "https://demo.example/invite/9f86d081/accept?voucher=XK42&lang=pl")
	// Output:
	// type=WEB method=GET status=200 email=- ip=192.0.2.1 id=- action=invite.accept outcome=success url="https://demo.example/invite/REDACTED/accept?voucher=REDACTED&lang=pl"
}

// Nothing is deleted unless its record is on disk.
func ExampleWithStrict() {
	full := &printer{sink{Fail: func(_ context.Context, _ *adminsessions.Event, d adminsessions.Durability) error {
		if d == adminsessions.Synced {
			return errors.New("no space left on device")
		}
		return nil
	}}}
	record := must(instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(full),
		instrumentation.WithStrict(instrumentation.Routes("DELETE /admin/")),
		instrumentation.WithLogger(discardLogger),
	))
	handler := record(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fmt.Println("handled") }))
	w := visit(handler, "DELETE", "https://demo.example/admin/clients/7")
	fmt.Println(w.Code, "try again in", w.Header().Get("Retry-After"), "s")
	// Output:
	// type=WEB method=DELETE status=started email=- ip=192.0.2.1 id=- action=clients.delete outcome=- url="https://demo.example/admin/clients/7" object="clients" object_id="7"
	// type=WEB method=DELETE status=503 email=- ip=192.0.2.1 id=- action=clients.delete outcome=error url="https://demo.example/admin/clients/7" object="clients" object_id="7"
	// 503 try again in 5 s
}

// A stream is on record as soon as it begins, and once more when it ends.
func Example_stream() {
	record := must(instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&printer{})))
	srv := httptest.NewServer(record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: hello\n\n")
	})))
	req, _ := http.NewRequest("GET", srv.URL+"/admin/events", nil)
	req.Host = "demo.example"
	resp, err := srv.Client().Do(req)
	if err != nil {
		panic(err)
	}
	line, _ := bufio.NewReader(resp.Body).ReadString('\n')
	fmt.Print(line)
	resp.Body.Close()
	srv.Close()
	// Unordered output:
	// type=WEB method=GET status=started email=- ip=127.0.0.1 id=- action=events.list outcome=- url="http://demo.example/admin/events"
	// type=WEB method=GET status=200 email=- ip=127.0.0.1 id=- action=events.list outcome=success url="http://demo.example/admin/events"
	// data: hello
}
