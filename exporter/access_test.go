package exporter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/adminsessions/adminsessions"
)

// lokiBehind is a stand-in for Loki that takes a push only from whom allowed
// says.
func lokiBehind(t *testing.T, allowed func(*http.Request) bool) (srv *httptest.Server, delivered *atomic.Int32) {
	delivered = new(atomic.Int32)
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(r) {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		delivered.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(srv.Close)
	return srv, delivered
}

func exportTo(t *testing.T, address string, opts ...Option) *Exporter {
	t.Helper()
	x, err := New(append([]Option{WithEndpoint(address), WithSpoolDir(t.TempDir()), WithBatch(0, 1<<20)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, x) })
	return x
}

func record(t *testing.T, x *Exporter) {
	t.Helper()
	if err := (&LoggerProvider{exporter: x}).RecordEvent(t.Context(), &testEvent, adminsessions.Spooled); err != nil {
		t.Fatal(err)
	}
}

func TestBasicAuthTenantAndHeaders(t *testing.T) {
	srv, delivered := lokiBehind(t, func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return user == "panel" && password == "s3cret" && r.Header.Get("X-Scope-OrgID") == "acme" && r.Header.Get("X-Gateway") == "eu"
	})
	srv.Start()
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, "s3cret\n")
	x := exportTo(t, srv.URL, WithTenantID("acme"), WithHTTPClientConfig(promconfig.HTTPClientConfig{
		BasicAuth:   &promconfig.BasicAuth{Username: "panel", PasswordFile: password},
		HTTPHeaders: &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Gateway": {Values: []string{"eu"}}}},
	}))
	record(t, x)
	if err := x.ForceFlush(t.Context()); err != nil || delivered.Load() != 1 {
		t.Errorf("flush: %v, %d pushes accepted", err, delivered.Load())
	}
}

// A token that is no longer good holds the trail until the file has a new one.
func TestBearerTokenRotates(t *testing.T) {
	var want atomic.Value
	want.Store("Bearer one")
	refused := make(chan struct{}, 100) // written for each push refused, never closed
	srv, delivered := lokiBehind(t, func(r *http.Request) bool {
		ok := r.Header.Get("Authorization") == want.Load()
		if !ok {
			refused <- struct{}{}
		}
		return ok
	})
	srv.Start()
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "one")
	x := exportTo(t, srv.URL, WithHTTPClientConfig(promconfig.HTTPClientConfig{
		Authorization: &promconfig.Authorization{Type: "Bearer", CredentialsFile: token},
	}))
	record(t, x)
	if err := x.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want.Store("Bearer two")
	record(t, x)
	<-refused
	<-refused // the first answer has been dealt with
	if x.Health() == nil {
		t.Error("healthy with a token that is refused")
	}
	write(t, token, "two")
	if err := x.ForceFlush(t.Context()); err != nil || delivered.Load() != 2 {
		t.Errorf("flush: %v, %d pushes accepted", err, delivered.Load())
	}
}

func TestTLSWithOwnCAAndClientCertificate(t *testing.T) {
	dir := t.TempDir()
	ca, caKey := certificate(t, dir, "ca", nil, nil)
	certificate(t, dir, "server", ca, caKey)
	certificate(t, dir, "client", ca, caKey)
	serverCert, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	srv, delivered := lokiBehind(t, func(r *http.Request) bool { return len(r.TLS.PeerCertificates) == 1 })
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{serverCert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	srv.StartTLS()
	x := exportTo(t, srv.URL, WithHTTPClientConfig(promconfig.HTTPClientConfig{TLSConfig: promconfig.TLSConfig{
		CAFile:   filepath.Join(dir, "ca.pem"),
		CertFile: filepath.Join(dir, "client.pem"),
		KeyFile:  filepath.Join(dir, "client.key"),
	}}))
	record(t, x)
	if err := x.ForceFlush(t.Context()); err != nil || delivered.Load() != 1 {
		t.Errorf("flush: %v, %d pushes accepted", err, delivered.Load())
	}
}

func TestProxy(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		w.WriteHeader(http.StatusNoContent)
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	x := exportTo(t, "http://loki.invalid:3100", WithHTTPClientConfig(promconfig.HTTPClientConfig{
		ProxyConfig: promconfig.ProxyConfig{ProxyURL: promconfig.URL{URL: u}},
	}))
	record(t, x)
	if err := x.ForceFlush(t.Context()); err != nil || asked.Load() != "http://loki.invalid:3100/loki/api/v1/push" {
		t.Errorf("flush: %v, the proxy was asked for %v", err, asked.Load())
	}
}

func TestStartFailsOnCredentialsThatAreNotThere(t *testing.T) {
	_, err := New(WithSpoolDir(t.TempDir()), WithHTTPClientConfig(promconfig.HTTPClientConfig{
		TLSConfig: promconfig.TLSConfig{CAFile: "/does/not/exist.pem"},
	}))
	if err == nil {
		t.Error("no error for a CA file that is not there")
	}
}

// certificate writes name.pem and name.key: a CA of its own without a parent,
// else one for 127.0.0.1 signed by it.
func certificate(t *testing.T, dir, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
