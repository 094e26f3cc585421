package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Connection says how Loki is reached: flags win over the file, the file over the
// environment, as in the proxy. They have the same names everywhere: --loki-url,
// ADMINSESSIONS_LOKI_URL, and url below loki in the file.
type Connection struct {
	Config string `short:"c" group:"loki" type:"path" placeholder:"FILE" help:"YAML file whose section loki says how to reach Loki: the proxy's, or one of your own. Default: $$ADMINSESSIONS_CONFIG."`

	URL             string            `name:"loki-url" group:"loki" placeholder:"URL" help:"Loki's address. Default: ${loki_url}."`
	QueryURL        string            `name:"loki-query-url" group:"loki" placeholder:"URL" help:"The address for questions, if another server answers those."`
	TenantID        string            `name:"loki-tenant-id" group:"loki" placeholder:"ID" help:"The tenant, sent as X-Scope-OrgID."`
	QueryTenantID   string            `name:"loki-query-tenant-id" group:"loki" placeholder:"ID" help:"The tenant of questions, if it is another; several are separated by |."`
	Username        string            `name:"loki-username" group:"loki" placeholder:"NAME" help:"Name for basic authentication."`
	PasswordFile    string            `name:"loki-password-file" group:"loki" placeholder:"FILE" help:"File with the password."`
	BearerTokenFile string            `name:"loki-bearer-token-file" group:"loki" placeholder:"FILE" help:"File with a token, instead of name and password."`
	CAFile          string            `name:"loki-ca-file" group:"loki" placeholder:"FILE" help:"Certificates to check Loki's with."`
	CertFile        string            `name:"loki-cert-file" group:"loki" placeholder:"FILE" help:"The client's own certificate."`
	KeyFile         string            `name:"loki-key-file" group:"loki" placeholder:"FILE" help:"The key of that certificate."`
	ProxyURL        string            `name:"loki-proxy-url" group:"loki" placeholder:"URL" help:"HTTP proxy on the way to Loki."`
	Headers         map[string]string `name:"loki-header" group:"loki" mapsep:"none" placeholder:"NAME=VALUE" help:"Header to send with every request; may be repeated."`
}

// client makes the client for Loki. It connects to nothing.
func (c *Connection) client(w *World) (*loki.Client, error) {
	getenv, err := c.environment(w)
	if err != nil {
		return nil, err
	}
	client, err := loki.New(c.settings(), getenv)
	if err != nil {
		return nil, &statusError{StatusUsage, fmt.Errorf("how to reach Loki: %w", oneLine(err))}
	}
	return client, nil
}

func (c *Connection) settings() adminsessions.Loki {
	return adminsessions.Loki{
		URL: c.URL, QueryURL: c.QueryURL, TenantID: c.TenantID, QueryTenantID: c.QueryTenantID,
		Username: c.Username, PasswordFile: c.PasswordFile, BearerTokenFile: c.BearerTokenFile,
		CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ProxyURL: c.ProxyURL, Headers: c.Headers,
	}
}

// lokiVariable begins the names of the variables that say how Loki is reached.
const lokiVariable = "ADMINSESSIONS_LOKI_"

// environment is the environment, with the file's values before it.
func (c *Connection) environment(w *World) (func(string) string, error) {
	name := cmp.Or(c.Config, w.Getenv("ADMINSESSIONS_CONFIG"))
	if name == "" {
		return w.Getenv, nil
	}
	values, err := readLokiSection(name)
	if err != nil {
		return nil, &statusError{StatusUsage, err}
	}
	return func(variable string) string { return cmp.Or(values[variable], w.Getenv(variable)) }, nil
}

// readLokiSection reads the section loki of a YAML file, by the names of the
// variables that its keys stand for. What else the file has is not looked at.
func readLokiSection(name string) (map[string]string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var file struct {
		Loki map[string]yaml.Node `yaml:"loki"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("configuration %s: %s", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	known := map[string]bool{}
	for _, k := range lokiKeys {
		known[k] = true
	}
	values := map[string]string{}
	for key, node := range file.Loki {
		if !known[key] {
			return nil, fmt.Errorf("configuration %s, line %d: loki.%s is not known; want one of %s", name, node.Line, key, strings.Join(lokiKeys, ", "))
		}
		value, err := scalar(&node)
		if err != nil {
			return nil, fmt.Errorf("configuration %s, line %d: loki.%s: %w", name, node.Line, key, err)
		}
		values[lokiVariable+strings.ToUpper(key)] = value
	}
	return values, nil
}

// lokiKeys are the keys of the section loki.
var lokiKeys = []string{"url", "query_url", "tenant_id", "query_tenant_id", "username", "password_file", "bearer_token_file",
	"ca_file", "cert_file", "key_file", "proxy_url", "headers", "timeout"}

// scalar is a value of the section as its variable has it.
func scalar(node *yaml.Node) (string, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		if d, err := time.ParseDuration(node.Value); err == nil && node.Tag != "!!int" {
			return fmt.Sprint(d.Milliseconds()), nil
		}
		return node.Value, nil
	case yaml.MappingNode:
		var pairs []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			pairs = append(pairs, escapeHeader(node.Content[i].Value)+"="+escapeHeader(node.Content[i+1].Value))
		}
		return strings.Join(pairs, ","), nil
	default:
		return "", errors.New("want one value, or name: value pairs for headers")
	}
}

func escapeHeader(s string) string {
	return strings.NewReplacer("%", "%25", ",", "%2C", "=", "%3D", " ", "%20").Replace(s)
}

// oneLine is an error that lists several, on one line.
func oneLine(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// Trail says which trail is read.
type Trail struct {
	Connection

	Services     []string `name:"service" sep:"none" group:"loki" placeholder:"NAME" help:"Only of this application (service.name); may be repeated."`
	Environments []string `name:"environment" sep:"none" group:"loki" placeholder:"NAME" help:"Only of this environment (deployment.environment.name); may be repeated."`
}

// store opens the trail.
func (t *Trail) store(w *World) (*trail.Store, *loki.Client, error) {
	for name, values := range map[string][]string{"service": t.Services, "environment": t.Environments} {
		if slices.Contains(values, "") {
			return nil, nil, usage("--%s is empty; want a name", name)
		}
	}
	client, err := t.client(w)
	if err != nil {
		return nil, nil, err
	}
	// Whoever may ask Loki may see all of it: Loki knows tenants, and no scopes.
	all := trail.Scope{All: true}
	return trail.New(client, trail.Config{Services: t.Services, Environments: t.Environments, Now: w.Now}).Within(all), client, nil
}
