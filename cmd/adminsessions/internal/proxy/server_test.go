package proxy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// running is a server with a spool of its own, whose Loki is away.
type running struct {
	*Server
	dir    string
	config string // the file
	hup    chan os.Signal
	end    func() error
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func run(t testing.TB, config string) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{dir: dir, config: filepath.Join(dir, "proxy.yaml"), hup: make(chan os.Signal), log: new(lockedBuffer)}
	r.write(t, config)
	setup, err := Load(r.config)
	if err != nil {
		t.Fatal(err)
	}
	if r.Server, err = NewServer(setup, slog.New(slog.NewTextHandler(r.log, nil))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, r.hup, func() (*Setup, error) { return Load(r.config) }) }()
	r.end = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = r.end() })
	return r
}

// write puts a configuration into the file. $DIR is the test's folder.
func (r *running) write(t testing.TB, config string) {
	t.Helper()
	config = "listen: 127.0.0.1:0\noperators: 127.0.0.1:0\nloki: {url: 'http://127.0.0.1:1'}\nspool: {dir: $DIR/spool}\ntimeouts: {shutdown: 2s}\n" + config
	if err := os.WriteFile(r.config, []byte(strings.ReplaceAll(config, "$DIR", r.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func fetch(t testing.TB, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (r *running) reloadNow() { r.hup <- syscall.SIGHUP; r.hup <- syscall.SIGHUP } // the second is read when the first is done

func TestTheConfigurationIsReadAnewWithoutLosingARequest(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	panel := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(entered)
				<-leave
			}
			fmt.Fprint(w, name)
		}))
		t.Cleanup(s.Close)
		return s
	}
	one, two := panel("one"), panel("two")
	r := run(t, "upstreams: [{url: '"+one.URL+"'}]\n")
	address, operators, _ := r.Addresses()
	slow := make(chan string, 1)
	go func() {
		_, text := fetch(t, http.DefaultClient, "http://"+address+"/slow")
		slow <- text
	}()
	<-entered
	r.write(t, "upstreams: [{url: '"+two.URL+"'}]\n")
	r.reloadNow()
	if _, text := fetch(t, http.DefaultClient, "http://"+address); text != "two" {
		t.Errorf("after a reload panel %q answers", text)
	}
	close(leave)
	if text := <-slow; text != "one" {
		t.Errorf("the request under way got %q", text)
	}
	r.write(t, "upstreams: [{url: nonsense}]\n")
	r.reloadNow()
	r.write(t, "upstreams: [{url: '"+one.URL+"'}]\nservice: {name: other}\n")
	r.reloadNow()
	if _, text := fetch(t, http.DefaultClient, "http://"+address); text != "two" {
		t.Errorf("after reloads that were refused panel %q answers", text)
	}
	if log := r.log.String(); !strings.Contains(log, "a restart is needed to change service") || !strings.Contains(log, "proxy.yaml:6: upstreams[0].url") {
		t.Errorf("the log does not say why: %s", log)
	}
	r.reloadNow() // those before are counted by then
	_, text := fetch(t, http.DefaultClient, "http://"+operators+"/metrics")
	for _, want := range []string{`adminsessions_proxy_reloads_total{outcome="done"} `, `adminsessions_proxy_reloads_total{outcome="refused"} `, "adminsessions_instrumentation_requests_total", "adminsessions_spool_sequence_number", "adminsessions_proxy_lookups_total"} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(text, `adminsessions_proxy_reloads_total{outcome="done"} 0`) { // one or two: the second may have read the next file
		t.Error("the reload is not counted")
	}
	if status, text := fetch(t, http.DefaultClient, "http://"+operators+"/readyz"); status != 200 {
		t.Errorf("not ready: %s", text)
	}
}

// What is hidden is hidden everywhere when the file is read anew, and what can't
// change while the process runs is refused.
func TestAReloadIsWholeOrNothing(t *testing.T) {
	const config = "upstreams: [{url: 'http://127.0.0.1:9'}]\ningest: {listen: '127.0.0.1:0'}\n"
	r := run(t, config)
	_, _, ingest := r.Addresses()
	badge := func() string {
		resp, err := http.Post("http://"+ingest+"/v1/events", "application/json", strings.NewReader(`{"action":"a.b","url":"/x?badge=4711"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		var e adminsessions.Event
		e.URL = "/x?badge=4711"
		r.taken.clean(&e, "test")
		return e.URL
	}
	if u := badge(); !strings.Contains(u, "4711") {
		t.Fatalf("hidden too early: %q", u)
	}
	r.write(t, config+"session: {key_file: $DIR/key}\npolicy: {redact: {query: [badge]}}\n")
	r.reloadNow()
	if u := badge(); !strings.Contains(u, "4711") || !strings.Contains(r.log.String(), "a restart is needed to change session.key_file") {
		t.Errorf("half of it was taken: %q", u)
	}
	r.write(t, config+"policy: {redact: {query: [badge]}}\n")
	r.reloadNow()
	if u := badge(); strings.Contains(u, "4711") {
		t.Errorf("not hidden after a reload: %q", u)
	}
}

func TestTheProgramEndsThoughAStreamDoesNot(t *testing.T) {
	panel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer panel.Close()
	r := run(t, "upstreams: [{url: '"+panel.URL+"'}]\n")
	address, _, _ := r.Addresses()
	resp, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	_ = r.end()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "panel.sock"))
	if err != nil {
		t.Fatal(err)
	}
	panel := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "panel ", r.Host, r.URL.Path) })}
	go func() { _ = panel.Serve(l) }()
	defer panel.Close()
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "proxy.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close() // a process that was killed leaves its socket behind
	config := "upstreams: [{url: 'unix:" + dir + "/panel.sock'}]\n"
	srv := run(t, config+"ingest: {listen: 'unix:"+dir+"/ingest.sock'}\n")
	_ = srv
	// The address is given twice else: the configuration is the test's own.
	own := file(t, "listen: unix:"+dir+"/proxy.sock\noperators: '-'\nspool: {dir: "+dir+"/spool}\n"+config)
	setup, err := Load(own)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer(setup, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, nil, nil) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "proxy.sock"))
	}}}
	if status, text := fetch(t, client, "http://panel.example/x"); status != 200 || text != "panel panel.example/x" {
		t.Errorf("answered %d %q", status, text)
	}
	if _, err := listen("unix:" + dir + "/proxy.sock"); err == nil {
		t.Error("a socket that somebody listens on was taken away")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// certificateFor writes a certificate of a name.
func certificateFor(t testing.TB, name, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificatesAreReadAnew(t *testing.T) {
	dir := t.TempDir()
	files := TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	certificateFor(t, "one.example", files.CertFile, files.KeyFile)
	c, err := newCertificate(files)
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		t.Helper()
		c.checked = time.Time{}
		got, err := c.get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(got.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	later := func() {
		for i, f := range []string{files.CertFile, files.KeyFile} {
			if err := os.Chtimes(f, time.Time{}, time.Now().Add(time.Duration(i+1)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	certificateFor(t, "two.example", files.CertFile, files.KeyFile)
	later()
	if got := name(); got != "two.example" || c.health() != nil {
		t.Errorf("serving %s, %v", got, c.health())
	}
	if err := os.WriteFile(files.CertFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "two.example" || c.health() == nil {
		t.Errorf("serving %s, %v", got, c.health())
	}
}

func TestWhatIsWrongIsNamedByItsLine(t *testing.T) {
	const panel = "upstreams: [{url: 'http://127.0.0.1:1'}]\n"
	for _, c := range []struct{ config, want string }{
		{"", ":1: upstreams: there is none"},
		{"upstreams:\n- url: ftp://x", ":2: upstreams[0].url: "},
		{"upstreams:\n- url: http://u:p@x", "without credentials"},
		{panel + "listen: 8080", `:2: listen: "8080": want host:port`},
		{panel + "lisen: 1", ":2: lisen: no such key: want one of listen, tls,"},
		{panel + "tls: {cert_file: /nonexistent, key_file: /nonexistent}", ":2: tls: "},
		{panel + "tls: {cert_file: x}", "needs both"},
		{panel + "who:\n- {}", ":3: who[0]: want one of headers, jwt"},
		{panel + "who:\n- {basic: {}, headers: {}}", "want one of"},
		{panel + "who:\n- headers: {email: X-Email}", "from whom?"},
		{panel + "who:\n- headers: {email: X-Email, from: [0.0.0.0/0]}", "is everybody"},
		{panel + "who:\n- jwt: {issuer: 'https://idp.example'}", "who[0].jwt.audience: missing"},
		{panel + "who:\n- jwt: {issuer: 'https://idp.example', audience: a, algorithms: [none]}", `"none": want a signature`},
		{panel + "who:\n- jwt: {issuer: 'https://idp.example', audience: a, algorithms: [HS256]}", `"HS256": want a signature`},
		{panel + "who:\n- lookup: {url: me}", "want a path of the panel"},
		{panel + "who:\n- lookup: {url: /me, cookies: [sid], timeout: 1h}", "lookup.timeout: 1h0m0s"},
		{panel + "sign_ins:\n- {path: x, field: name}", ":3: sign_ins[0].path"},
		{panel + "sign_ins:\n- {path: /x, field: password}", "want the field with the name"},
		{panel + "sign_ins:\n- {path: /x, field: name}", "says nothing"},
		{panel + "page: {path: /x, viewers: [{emails: [a@b]}]}", "a slash at both ends"},
		{panel + "page: {path: /x/, viewers: [{emails: [a@b]}]}", "nobody can be let in"},
		{panel + "who: [{basic: {}}]\npage: {path: /x/, viewers: [{emails: [a@b]}]}", "nobody can be let in"},
		{panel + "page: {path: /x/}", "page.viewers: there is none"},
		{panel + "ingest: {listen: '0.0.0.0:4318'}", "want a loopback address"},
		{panel + "ingest: {listen: '127.0.0.1:4318', durability: safe}", "want written or synced"},
		{panel + "ingest: {listen: '127.0.0.1:4318', max_bytes: 1 PiB}", ":2: ingest.max_bytes: want a number of bytes"},
		{panel + "policy:\n  rules:\n  - {name: x, record: nothing}", ":4: policy.rules[0]: record"},
		{panel + "timeouts: {response: -1s}", "want more than 0"},
		{panel + "listen: 127.0.0.1:99999", "want host:port"},
		{panel + "loki: {url: nonsense}", ":2: loki: "},
		{panel + "loki: {username: anna, password_file: /nonexistent}", ":2: loki: "},
		{panel + "spool: {sync: sometimes}", `:2: spool.sync: "sometimes": want interval`},
		{panel + "spool: {full: wait}", `:2: spool.full: "wait": want drop or block`},
		{panel + "spool: {block_timeout: -1s}", "want more than 0"},
		{panel + "who: [~]", ":2: who[0]: there is nothing"},
		{panel + "policy:\n  rules:\n  -\n  - {name: x}", ":4: policy.rules[0]: there is nothing"},
		{panel + "who: [{lookup: {url: /me, cookies: [sid]}}]\npage: {path: /x/, viewers: [{emails: [a@b.example], tenants: }]}", "viewers[0].tenants: there is nothing"},
		{panel + "who: [{lookup: {url: /me, cookies: [sid]}}]\npage: {path: /x/, viewers: [{emails: [a@b.example], tenants: []}]}", "viewers[0].tenants: names none"},
		{"upstreams: [{url: 'http://a'}, {url: 'http://b'}]", "same hosts and paths"},
	} {
		_, err := Load(file(t, c.config))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.config, err, c.want)
		}
	}
}
