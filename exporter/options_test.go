package exporter

import (
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki-client-go/pkg/backoff"
)

func noEnv(string) (string, bool) { return "", false }

func TestConfigurationErrorsNameTheField(t *testing.T) {
	dir := WithSpoolDir("spool")
	tests := map[string]struct {
		opts []Option
		env  map[string]string
		want string // parts, separated by |
	}{
		"no spool":              {nil, nil, "WithSpoolDir|" + EnvSpoolDir},
		"endpoint scheme":       {[]Option{dir, WithEndpoint("loki:3100")}, nil, "WithEndpoint|http or https"},
		"endpoint credentials":  {[]Option{dir, WithEndpoint("http://me:secret@loki")}, nil, "WithEndpoint|" + "WithHTTPClientConfig"},
		"endpoint no URL":       {[]Option{dir, WithEndpoint("http://\x00")}, nil, "WithEndpoint|not a URL"},
		"batch size":            {[]Option{dir, WithBatch(0, 8<<20)}, nil, "batch size: 8388608; want 65536 to"},
		"batch wait":            {[]Option{dir, WithBatch(time.Hour, 1<<20)}, nil, "batch wait: 1h0m0s; want 0s to 1m0s"},
		"in flight":             {[]Option{dir, WithMaxInFlight(0)}, nil, "pushes in flight: 0; want 1 to 16"},
		"sync policy":           {[]Option{dir, WithSync("often", 0)}, nil, `sync policy: "often"; want one of ["interval" "always" "none"]`},
		"full policy":           {[]Option{dir, WithFullPolicy("wait", 0)}, nil, `full policy: "wait"; want one of ["drop" "block"]`},
		"limit":                 {[]Option{dir, WithSpoolLimit(5)}, nil, "spool limit: 5 bytes"},
		"timeout":               {[]Option{dir, WithTimeout(0)}, nil, "timeout: 0s"},
		"retries":               {[]Option{dir, WithBackoff(backoff.BackoffConfig{MinBackoff: 1e8, MaxBackoff: 1e9, MaxRetries: 10})}, nil, "never given up"},
		"tenant":                {[]Option{dir, WithTenantID("a/b")}, nil, "tenant"},
		"environment timeout":   {[]Option{dir}, map[string]string{EnvTimeout: "10s"}, EnvTimeout + "|milliseconds"},
		"environment endpoint":  {[]Option{dir}, map[string]string{EnvEndpoint: "ftp://x"}, EnvEndpoint},
		"environment headers":   {[]Option{dir}, map[string]string{EnvHeaders: "novalue"}, EnvHeaders},
		"environment limit":     {[]Option{dir}, map[string]string{EnvSpoolLimit: "1GiB"}, EnvSpoolLimit},
		"environment sync":      {[]Option{dir}, map[string]string{EnvSpoolSync: "sometimes"}, "sync policy"},
		"two ways to authorise": {[]Option{dir}, map[string]string{EnvUsername: "u", EnvBearerTokenFile: "/t"}, "http client"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newConfig(tt.opts, func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok })
			if err == nil {
				t.Fatal("no error")
			}
			for part := range strings.SplitSeq(tt.want, "|") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q tells a password", err)
			}
		})
	}
}

func TestEnvironmentAndOptions(t *testing.T) {
	env := map[string]string{
		EnvEndpoint: "https://loki.example/prefix/", EnvTenantID: "acme", EnvTimeout: "2500",
		EnvHeaders: "X-Gateway=a%2Cb, X-Other=1", EnvUsername: "u", EnvPasswordFile: "/run/secrets/p",
		EnvSpoolDir: "/from/env", EnvSpoolSync: "always", EnvSpoolFull: "block", EnvSpoolBlockTimeout: "300",
	}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	c, err := newConfig([]Option{WithSpoolDir("/from/option")}, lookup)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.endpoint.String(); got != "https://loki.example/prefix/loki/api/v1/push" {
		t.Errorf("endpoint %s", got)
	}
	if c.spoolDir != "/from/option" {
		t.Errorf("spool %s: an option does not win over the environment", c.spoolDir)
	}
	if c.tenant != "acme" || c.timeout != 2500*time.Millisecond || c.sync != SyncAlways || c.full != FullBlock || c.blockTimeout != 300*time.Millisecond {
		t.Errorf("configuration %+v", c)
	}
	if c.http.BasicAuth.Username != "u" || c.http.BasicAuth.PasswordFile != "/run/secrets/p" {
		t.Errorf("basic auth %+v", c.http.BasicAuth)
	}
	if v := c.http.HTTPHeaders.Headers["X-Gateway"].Secrets; len(v) != 1 || v[0] != "a,b" {
		t.Errorf("headers %+v", c.http.HTTPHeaders)
	}
	c, err = newConfig([]Option{WithSpoolDir("s"), WithEndpoint("http://loki/custom/push")}, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.endpoint.String(); got != "http://loki/custom/push" {
		t.Errorf("endpoint %s", got)
	}
}
