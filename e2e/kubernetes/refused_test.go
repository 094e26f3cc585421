package kubernetes

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// What can't work is refused when it is rendered, and said in words.
func TestRefusedValues(t *testing.T) {
	for name, c := range map[string]struct{ values, want string }{
		"no panel":                    {"proxy: {config: {upstreams: []}}", "proxy.config.upstreams is required"},
		"no image":                    {"proxy: {image: {repository: ''}}", "build deploy/package/Dockerfile"},
		"no tag":                      {"proxy: {image: {tag: ''}}", "proxy.image.tag is required"},
		"a digest that is none":       {"proxy: {image: {digest: sha256:12}}", "digest"},
		"an address of its own":       {"proxy: {config: {listen: ':9'}}", "proxy.config.listen is the chart's"},
		"operators everywhere":        {"proxy: {config: {operators: '-'}}", "proxy.config.operators is the chart's"},
		"a spool beside the volume":   {"proxy: {config: {spool: {dir: /tmp}}}", "proxy.config.spool.dir is the chart's"},
		"a spool by the back door":    {"proxy: {env: [{name: ADMINSESSIONS_SPOOL_DIR, value: /tmp}]}", "/proxy/env/0/name"},
		"sessions of two names":       {"proxy: {config: {who: [{lookup: {url: /me, cookies: [a]}}]}}", "proxy.config.session.key_file is required"},
		"a session's cookies":         {"proxy: {config: {session: {cookies: [a]}}}", "proxy.config.session.key_file is required"},
		"a secret in the open":        {"proxy: {env: [{name: ADMINSESSIONS_PROOF_KEY, value: c2VjcmV0}]}", "/proxy/env/0"},
		"a password in the open":      {"proxy: {env: [{name: DB_PASSWORD, value: x}]}", "/proxy/env/0"},
		"a password in an address":    {"proxy: {config: {loki: {url: 'http://a:b@loki'}}}", "/proxy/config/loki/url"},
		"a value that is none":        {"proxy: {replica: 3}", "replica"},
		"an unknown section":          {"prxy: {}", "prxy"},
		"a wrong kind of value":       {"proxy: {replicas: many}", "/proxy/replicas"},
		"a volume that many share":    {"proxy: {persistence: {accessMode: ReadWriteMany}}", "/proxy/persistence/accessMode"},
		"no time to end":              {"proxy: {terminationGracePeriodSeconds: 5}", "/proxy/terminationGracePeriodSeconds"},
		"alerts twice":                {"rules: {grafana: {enabled: true}, lokiRuler: {enabled: true}}", "enable one, or each comes twice"},
		"an alert that is none":       {"rules: {disabled: {AdminSessionsNothing: true}}", "there is no alert AdminSessionsNothing; there are AdminSessionsBacklogOld, "},
		"an override of none":         {"rules: {overrides: {AdminSessionsDroping: {for: 5m}}}", "there is no alert AdminSessionsDroping"},
		"an alert renamed":            {"rules: {overrides: {AdminSessionsDropping: {alert: Other}}}", "/rules/overrides/AdminSessionsDropping"},
		"services out of the query":   {`rules: {services: 'a"} or {b="'}`, "/rules/services"},
		"services that escape":        {`rules: {services: 'a\\'}`, "/rules/services"},
		"a tenant above the folder":   {"rules: {lokiRuler: {tenant: ../../etc}}", "/rules/lokiRuler/tenant"},
		"a uid in a dashboard":        {`grafana: {lokiUID: 'a", "b": "'}`, "/grafana/lokiUID"},
		"a gateway's short name":      {"gateways: {loki: 'http://loki:3100'}", "/gateways/loki"},
		"a gateway with a directive":  {"gateways: {loki: 'http://loki.loki.svc; return 200'}", "/gateways/loki"},
		"a resolver with a directive": {"gateways: {resolver: '10.0.0.1; include /etc/passwd'}", "/gateways/resolver"},
		"all pods for Loki's":         {"gateways: {lokiPods: {app.kubernetes.io/name: null}}", "/gateways/lokiPods"},
		"a gateway of no image":       {"gateways: {image: {tag: ''}}", "/gateways/image/tag"},
		"an operator with nothing":    {"grafana: {operator: {enabled: true}, dashboards: {enabled: false}}", "enable grafana.dashboards, too"},
	} {
		t.Run(name, func(t *testing.T) {
			out, said, err := helm(t, "template", "x", chart(t), "--values", filepath.Join(chart(t), "ci", "proxy.yaml"), "--values", values(t, c.values))
			if err == nil {
				t.Fatalf("rendered:\n%.500s", out)
			}
			// Helm writes places with slashes or with dots.
			if !strings.Contains(said, c.want) && !strings.Contains(said, strings.ReplaceAll(strings.TrimPrefix(c.want, "/"), "/", ".")) {
				t.Errorf("want %q in:\n%s", c.want, said[strings.LastIndex(said, "rror:")+1:])
			}
		})
	}
}

// One replica needs no key that others share; several with a key are fine.
func TestSessionKeyIsForSeveral(t *testing.T) {
	for _, v := range []string{
		"proxy: {replicas: 1, config: {session: {cookies: [a]}}}",
		"proxy: {replicas: 2, config: {session: {cookies: [a], key_file: /run/secrets/adminsessions/session/key}}}",
	} {
		render(t, "proxy.yaml", v)
	}
}

// The schema knows the values that there are, and no others.
func TestSchemaIsOfTheValues(t *testing.T) {
	var defaults map[string]any
	if err := yaml.UnmarshalStrict(read(t, "deploy", "kubernetes", "adminsessions", "values.yaml"), &defaults); err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(read(t, "deploy", "kubernetes", "adminsessions", "values.schema.json"), &schema); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, values, schema map[string]any)
	compare = func(path string, values, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		if closed := schema["additionalProperties"] == false; !closed {
			return // of the proxy, of Kubernetes, or of the reader's choice
		}
		got, want := slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(properties))
		want = slices.DeleteFunc(want, func(s string) bool { return path == "" && s == "global" }) // Helm's own
		if !slices.Equal(got, want) {
			t.Errorf("%s: values.yaml has %q, the schema %q", path, got, want)
		}
		for key, value := range values {
			inner, isMap := value.(map[string]any)
			property, ok := properties[key].(map[string]any)
			if isMap && ok {
				compare(path+"."+key, inner, property)
			}
		}
	}
	compare("", defaults, schema)
}
