package exporter

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
)

func TestConfigurationErrorsNameTheField(t *testing.T) {
	dir := WithSpoolDir("spool")
	tests := map[string]struct {
		opts []Option
		env  map[string]string
		want string // parts, separated by |
	}{
		"no spool":                {nil, nil, "WithSpoolDir|ADMINSESSIONS_SPOOL_DIR"},
		"batch size":              {[]Option{dir, WithBatch(0, 8<<20)}, nil, "WithBatch: size: 8388608; want 65536 to"},
		"batch wait":              {[]Option{dir, WithBatch(time.Hour, 1<<20)}, nil, "WithBatch: wait: 1h0m0s; want 0s to 1m0s"},
		"backoff":                 {[]Option{dir, WithBackoff(0, time.Second)}, nil, "WithBackoff: shortest pause: 0s; want 1ms to 1h0m0s"},
		"backoff upside down":     {[]Option{dir, WithBackoff(time.Minute, time.Second)}, nil, "WithBackoff: longest pause: 1s; want 1m0s to"},
		"lock":                    {[]Option{dir, WithSpoolLockTimeout(-1)}, nil, "WithSpoolLockTimeout: -1ns; want 0s to 1h0m0s"},
		"sync policy":             {[]Option{dir, WithSync("often")}, nil, `WithSync: "often"; want one of ["interval" "always" "none"]`},
		"sync interval":           {[]Option{dir, WithSyncInterval(0)}, nil, "WithSyncInterval: 0s; want 1ms to 1m0s"},
		"full policy":             {[]Option{dir, WithFullPolicy("wait")}, nil, `WithFullPolicy: "wait"; want one of ["drop" "block"]`},
		"block timeout":           {[]Option{dir, WithBlockTimeout(0)}, nil, "WithBlockTimeout: 0s; want 1ms"},
		"limit":                   {[]Option{dir, WithSpoolLimit(5)}, nil, "WithSpoolLimit: 5 bytes; want at least 1048576"},
		"two at once":             {[]Option{WithSpoolLimit(5), WithSync("x")}, nil, "WithSpoolDir|WithSpoolLimit|WithSync"},
		"environment limit":       {[]Option{dir}, map[string]string{"ADMINSESSIONS_SPOOL_LIMIT": "1GiB"}, "ADMINSESSIONS_SPOOL_LIMIT|whole number of bytes"},
		"environment sync":        {[]Option{dir}, map[string]string{"ADMINSESSIONS_SPOOL_SYNC": "sometimes"}, "WithSync"},
		"environment timeout":     {[]Option{dir}, map[string]string{"ADMINSESSIONS_SPOOL_BLOCK_TIMEOUT": "2s"}, "ADMINSESSIONS_SPOOL_BLOCK_TIMEOUT|milliseconds"},
		"environment lock":        {[]Option{dir}, map[string]string{"ADMINSESSIONS_SPOOL_LOCK_TIMEOUT": "-1"}, "ADMINSESSIONS_SPOOL_LOCK_TIMEOUT|milliseconds"},
		"environment, two values": {[]Option{dir}, map[string]string{"ADMINSESSIONS_SPOOL_LIMIT": "x", "ADMINSESSIONS_SPOOL_SYNC_INTERVAL": "y"}, "ADMINSESSIONS_SPOOL_LIMIT|ADMINSESSIONS_SPOOL_SYNC_INTERVAL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newConfig(tt.opts, func(k string) string { return tt.env[k] })
			if err == nil {
				t.Fatal("no error")
			}
			for part := range strings.SplitSeq(tt.want, "|") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestEnvironmentAndOptions(t *testing.T) {
	env := map[string]string{
		"ADMINSESSIONS_SPOOL_DIR": "/from/env", "ADMINSESSIONS_SPOOL_LIMIT": "5000000", "ADMINSESSIONS_SPOOL_SYNC": "always", "ADMINSESSIONS_SPOOL_SYNC_INTERVAL": "250",
		"ADMINSESSIONS_SPOOL_FULL": "block", "ADMINSESSIONS_SPOOL_BLOCK_TIMEOUT": "300", "ADMINSESSIONS_SPOOL_LOCK_TIMEOUT": "0",
	}
	c, err := newConfig([]Option{WithSpoolDir("/from/option")}, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	if c.spoolDir != "/from/option" {
		t.Errorf("spool %s: an option does not win over the environment", c.spoolDir)
	}
	if c.spoolLimit != 5_000_000 || c.sync != SyncAlways || c.syncInterval != 250*time.Millisecond || c.full != BlockWhenFull || c.blockTimeout != 300*time.Millisecond || c.lockTimeout != 0 {
		t.Errorf("configuration %+v", c)
	}
	c, err = newConfig([]Option{WithSpoolDir("x"), WithLogger(nil), WithResource(nil)}, noEnv)
	if err != nil || c.logger != slog.Default() || c.resource != resource.Default() || c.lockTimeout != defaultLockTimeout {
		t.Errorf("defaults: %+v, %v", c, err)
	}
}

// New tells what is wrong with its own options and with how Loki is to be reached
// in one error, and delivers with what the environment says.
func TestNew(t *testing.T) {
	_, err := New(WithLoki(adminsessions.Loki{URL: "http://me:s3cret@loki", TenantID: "a/b"}), WithSpoolLimit(1))
	for _, want := range []string{"WithSpoolDir", "WithSpoolLimit", "Loki.URL", "Loki.TenantID"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error lacks %s or has too much: %v", want, err)
		}
	}
	tenants := make(chan string, 10) // written for each push, never closed
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenants <- r.Header.Get("X-Scope-OrgID")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	t.Setenv("ADMINSESSIONS_LOKI_URL", srv.URL)
	t.Setenv("ADMINSESSIONS_LOKI_TENANT_ID", "acme")
	t.Setenv("ADMINSESSIONS_SPOOL_DIR", t.TempDir())
	x, err := New()
	if err != nil {
		t.Fatal(err)
	}
	emit(t, x, 1)
	shutdown(t, x)
	if tenant := <-tenants; tenant != "acme" {
		t.Errorf("tenant %q", tenant)
	}
}

// A second process on the folder waits for the first.
func TestTheSpoolIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	l := &fakeLoki{t: t}
	x := startOver(t, l, dir)
	c, err := newConfig([]Option{WithSpoolDir(dir), WithSpoolLockTimeout(10 * time.Millisecond)}, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(c, l); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second exporter on the folder: %v", err)
	}
	second := make(chan *Exporter)
	go func() { second <- startOver(t, l, dir, WithSpoolLockTimeout(time.Minute)) }()
	emit(t, x, 10)
	shutdown(t, x)
	y := <-second
	emit(t, y, 10)
	shutdown(t, y)
	l.check(20, true)
}
