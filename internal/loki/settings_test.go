package loki

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSettingsThatAreWrong(t *testing.T) {
	password := secretFile(t, "hunter2\n")
	for name, tt := range map[string]struct {
		loki adminsessions.Loki
		env  map[string]string
		want []string // in the error
	}{
		"credentials in the address": {
			loki: adminsessions.Loki{URL: "http://anna:hunter2@loki.example"},
			want: []string{"Loki.URL: holds credentials", "PasswordFile", "BearerTokenFile"},
		},
		"credentials in the address for questions, from the environment": {
			env:  map[string]string{"ADMINSESSIONS_LOKI_QUERY_URL": "http://anna:hunter2@loki.example"},
			want: []string{"Loki.QueryURL (ADMINSESSIONS_LOKI_QUERY_URL): holds credentials"},
		},
		"an address that can't be parsed does not repeat it": {
			loki: adminsessions.Loki{URL: "http://anna:hunter2@[::1"},
			want: []string{"Loki.URL: not a URL"},
		},
		"other scheme":           {loki: adminsessions.Loki{URL: "grpc://loki:9095"}, want: []string{`Loki.URL: scheme "grpc"`, "http or https"}},
		"no host":                {loki: adminsessions.Loki{URL: "http://:3100"}, want: []string{"Loki.URL", "a host"}},
		"no scheme":              {loki: adminsessions.Loki{URL: "loki:3100"}, want: []string{"Loki.URL", "http or https"}},
		"query":                  {loki: adminsessions.Loki{URL: "http://loki:3100/?a=b"}, want: []string{"Loki.URL: has a query"}},
		"push endpoint":          {loki: adminsessions.Loki{URL: "http://loki:3100/loki/api/v1/push"}, want: []string{"Loki.URL: path", "without /loki/api"}},
		"tenant":                 {loki: adminsessions.Loki{TenantID: "a/b"}, want: []string{"Loki.TenantID", "letters, digits"}},
		"tenant with two names":  {loki: adminsessions.Loki{TenantID: "a|b"}, want: []string{"Loki.TenantID"}},
		"tenant with line break": {loki: adminsessions.Loki{TenantID: "a\r\nX: y"}, want: []string{"Loki.TenantID"}},
		"tenant dot":             {loki: adminsessions.Loki{TenantID: ".."}, want: []string{"Loki.TenantID"}},
		"query tenant":           {loki: adminsessions.Loki{QueryTenantID: "a||b"}, want: []string{"Loki.QueryTenantID"}},
		"long tenant":            {loki: adminsessions.Loki{TenantID: strings.Repeat("a", 151)}, want: []string{"Loki.TenantID", "150"}},
		"two ways to sign in": {
			loki: adminsessions.Loki{Username: "u", PasswordFile: password, BearerTokenFile: password},
			want: []string{"Loki.BearerTokenFile", "one of the two ways"},
		},
		"no password":         {loki: adminsessions.Loki{Username: "u"}, want: []string{"Loki.Username", "PasswordFile"}},
		"no user":             {loki: adminsessions.Loki{PasswordFile: password}, want: []string{"Loki.Username"}},
		"colon":               {loki: adminsessions.Loki{Username: "a:b", PasswordFile: password}, want: []string{"colon"}},
		"missing file":        {loki: adminsessions.Loki{BearerTokenFile: "/nowhere/token"}, want: []string{"Loki.BearerTokenFile", "/nowhere/token"}},
		"empty file":          {loki: adminsessions.Loki{BearerTokenFile: secretFile(t, "\n")}, want: []string{"Loki.BearerTokenFile", "empty"}},
		"file of two lines":   {loki: adminsessions.Loki{BearerTokenFile: secretFile(t, "hunter2\nX-Evil: 1")}, want: []string{"more than one line"}},
		"half a certificate":  {loki: adminsessions.Loki{CertFile: password}, want: []string{"Loki.CertFile", "KeyFile"}},
		"no certificate":      {loki: adminsessions.Loki{CAFile: password}, want: []string{"Loki.CAFile", "no certificate"}},
		"proxy":               {loki: adminsessions.Loki{ProxyURL: "ftp://proxy"}, want: []string{"Loki.ProxyURL", "socks5"}},
		"proxy without host":  {loki: adminsessions.Loki{ProxyURL: "proxy:8080"}, want: []string{"Loki.ProxyURL"}},
		"own header":          {loki: adminsessions.Loki{Headers: map[string]string{"x-scope-orgid": "t"}}, want: []string{"Loki.Headers", "TenantID"}},
		"authorization":       {loki: adminsessions.Loki{Headers: map[string]string{"authorization": "Bearer hunter2"}}, want: []string{"Loki.Headers", "BearerTokenFile"}},
		"header twice":        {loki: adminsessions.Loki{Headers: map[string]string{"X-A": "1", "x-a": "2"}}, want: []string{"twice"}},
		"header's name":       {loki: adminsessions.Loki{Headers: map[string]string{"a b": "1"}}, want: []string{"Loki.Headers", `"a b"`}},
		"header's value":      {loki: adminsessions.Loki{Headers: map[string]string{"A": "hunter2\r\nB: c"}}, want: []string{"control character"}},
		"headers unreadable":  {env: map[string]string{"ADMINSESSIONS_LOKI_HEADERS": "hunter2"}, want: []string{"ADMINSESSIONS_LOKI_HEADERS", "name=value"}},
		"timeout":             {loki: adminsessions.Loki{Timeout: time.Hour}, want: []string{"Loki.Timeout", "10m"}},
		"timeout from env":    {env: map[string]string{"ADMINSESSIONS_LOKI_TIMEOUT": "10s"}, want: []string{"ADMINSESSIONS_LOKI_TIMEOUT", "milliseconds"}},
		"everything together": {loki: adminsessions.Loki{URL: "x", TenantID: "/", Timeout: -1}, want: []string{"Loki.URL", "Loki.TenantID", "Loki.Timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.loki, func(name string) string { return tt.env[name] })
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret in the error: %v", err)
			}
		})
	}
}

func TestSettingsFromEnvironment(t *testing.T) {
	token := secretFile(t, "hunter2")
	env := map[string]string{
		"ADMINSESSIONS_LOKI_URL":               "https://push.example/loki/",
		"ADMINSESSIONS_LOKI_QUERY_URL":         "https://ask.example",
		"ADMINSESSIONS_LOKI_TENANT_ID":         "panel",
		"ADMINSESSIONS_LOKI_QUERY_TENANT_ID":   "panel|other",
		"ADMINSESSIONS_LOKI_BEARER_TOKEN_FILE": token,
		"ADMINSESSIONS_LOKI_HEADERS":           "X-A=b%2Cc, X-D=e",
		"ADMINSESSIONS_LOKI_TIMEOUT":           "2500",
		"ADMINSESSIONS_LOKI_PROXY_URL":         "http://egress.example:8080",
	}
	getenv := func(name string) string { return env[name] }
	c, err := New(adminsessions.Loki{}, getenv)
	if err != nil {
		t.Fatal(err)
	}
	s := c.settings
	if s.push.Host != "push.example" || s.query.Host != "ask.example" || s.TenantID != "panel" || s.QueryTenantID != "panel|other" ||
		s.Timeout != 2500*time.Millisecond || s.proxy.Host != "egress.example:8080" || s.headers.Get("X-A") != "b,c" || s.headers.Get("X-D") != "e" {
		t.Errorf("read %+v", s)
	}
	// What is given wins.
	c, err = New(adminsessions.Loki{URL: "http://mine:1", TenantID: "mine", Timeout: time.Second}, getenv)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.settings; s.push.Host != "mine:1" || s.query.Host != "ask.example" || s.TenantID != "mine" || s.Timeout != time.Second {
		t.Errorf("read %+v", s)
	}
	// Nothing is given: the defaults.
	c, err = New(adminsessions.Loki{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.settings; s.push.String() != DefaultURL || s.query != s.push || s.Timeout != DefaultTimeout || s.QueryTenantID != "" {
		t.Errorf("defaults are %+v", s)
	}
}
