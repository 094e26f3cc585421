package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// grafanaMissing says how to get one.
const grafanaMissing = `there is no Grafana, everything else works. To see the dashboards, run "GRAFANA=download make demo", ` +
	`which fetches Grafana ` + grafanaVersion + ` from https://grafana.com into .tools; or set GRAFANA_HOME to the folder of a Grafana 12.3 or newer; or use "docker compose up".`

// grafanaUser signs in with the e-mail address of one of the panel's accounts,
// so that Hide Me has somebody to hide.
const (
	grafanaUser  = "admin"
	grafanaEmail = "demo-admin@example.com"
	passwordFile = "admin-password"
)

// fetchGrafana downloads Grafana where there is none, if that was asked for, or if
// somebody says yes. The demo goes on without it if that fails.
func (c config) fetchGrafana(ctx context.Context, ask asker, say func(format string, args ...any)) {
	if bin, _, err := findGrafana(c.getenv("GRAFANA_HOME"), c.grafana.home()); bin != "" || err != nil {
		return
	}
	switch c.getenv(grafanaChoice) {
	case "download":
	case "":
		if ask == nil || !ask(ctx, "Grafana is not installed. Fetch Grafana "+grafanaVersion+" (about 200 MB) from https://grafana.com into .tools?") {
			return
		}
	default:
		return
	}
	say("fetching Grafana %s, about 200 MB …", grafanaVersion)
	if err := c.grafana.fetch(ctx); err != nil {
		say("%v; going on without it", err)
	}
}

// grafanaService returns nil if no Grafana is installed, or none is wanted.
func (c config) grafanaService() (*service, error) {
	if c.getenv(grafanaChoice) == "none" {
		return nil, nil
	}
	bin, home, err := findGrafana(c.getenv("GRAFANA_HOME"), c.grafana.home())
	if err != nil || bin == "" {
		return nil, err
	}
	data := c.folders[grafanaFolder]
	password, err := keptPassword(filepath.Join(data, passwordFile))
	if err != nil {
		return nil, fmt.Errorf("keep Grafana's password: %w", err)
	}
	plugins := filepath.Join(data, "plugins") // it complains if there is none
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		return nil, fmt.Errorf("make Grafana's folder: %w", err)
	}
	s := &service{
		name: "grafana", bin: bin, onDeath: syscall.SIGTERM,
		args:  []string{"server", "--homepath", home},
		ports: []portUse{{grafanaPort, "Grafana"}},
		env: []string{
			"ADMINSESSIONS_LOKI_URL=" + c.url(lokiReadPort),
			"ADMINSESSIONS_PROMETHEUS_URL=" + c.url(prometheusPort),
			"ADMINSESSIONS_DASHBOARDS=" + filepath.Join(c.root, "dashboards"),
			"GF_PATHS_PROVISIONING=" + filepath.Join(c.root, "deploy", "grafana", "provisioning"),
			"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=" + filepath.Join(c.root, "dashboards", "admin-sessions.json"),
			"GF_DASHBOARDS_MIN_REFRESH_INTERVAL=2s",
			"GF_PATHS_DATA=" + data,
			"GF_PATHS_LOGS=" + filepath.Join(data, "log"),
			"GF_PATHS_PLUGINS=" + plugins,
			"GF_LOG_MODE=console",
			"GF_SERVER_HTTP_ADDR=127.0.0.1",
			fmt.Sprintf("GF_SERVER_HTTP_PORT=%d", c.ports[grafanaPort]),
			// Links that are shared lead to the address that people sign in at.
			"GF_SERVER_ROOT_URL=" + c.url(grafanaPort) + "/",
			"GF_SECURITY_ADMIN_USER=" + grafanaUser,
			"GF_SECURITY_ADMIN_EMAIL=" + grafanaEmail,
			"GF_SECURITY_ADMIN_PASSWORD=" + password,
			"GF_SECURITY_DISABLE_GRAVATAR=true",
			"GF_AUTH_ANONYMOUS_ENABLED=false",
			"GF_USERS_ALLOW_SIGN_UP=false",
			// The demo reports to nobody and fetches nothing.
			"GF_ANALYTICS_REPORTING_ENABLED=false",
			"GF_ANALYTICS_CHECK_FOR_UPDATES=false",
			"GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES=false",
			"GF_NEWS_NEWS_FEED_ENABLED=false",
			"GF_PLUGINS_PREINSTALL_DISABLED=true",
			"GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED=true",
		},
		logPath: c.log("grafana"),
	}
	if _, err := os.Stat(packagedPlugins); home == packagedGrafana && err == nil {
		s.env = append(s.env, "GF_PATHS_BUNDLED_PLUGINS="+packagedPlugins)
	}
	if filepath.Base(bin) == "grafana-server" { // before there was one program
		s.args = s.args[1:]
	}
	return s, nil
}

// packagedGrafana is the home folder of distributions' packages. packagedPlugins is
// where, since 13.2, they keep the data sources that come with Grafana: their unit
// says so, and Grafana finds neither Loki nor Prometheus without.
const (
	packagedGrafana = "/usr/share/grafana"
	packagedPlugins = "/var/lib/grafana/plugins-bundled"
)

// findGrafana returns its program and home folder: those of GRAFANA_HOME, else of
// the one on PATH, else of the one that was fetched; nothing if there is none. A
// GRAFANA_HOME without a Grafana is an error.
func findGrafana(named, fetched string) (bin, home string, err error) {
	if named != "" {
		bin = filepath.Join(named, "bin", "grafana")
		if _, err := exec.LookPath(bin); err != nil {
			return "", "", fmt.Errorf("GRAFANA_HOME: %w; want the folder of an unpacked Grafana, with bin/grafana in it", err)
		}
		home, err := filepath.Abs(named)
		return bin, home, err
	}
	for _, name := range []string{"grafana", "grafana-server"} {
		bin, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		program, err := filepath.EvalSymlinks(bin)
		if err != nil {
			return "", "", fmt.Errorf("find Grafana's home folder: %w", err)
		}
		for _, home := range []string{filepath.Dir(filepath.Dir(program)), packagedGrafana} {
			if _, err := os.Stat(filepath.Join(home, "conf", "defaults.ini")); err == nil {
				return bin, home, nil
			}
		}
		return "", "", fmt.Errorf("find the home folder of %s: no conf/defaults.ini beside it or in %s; set GRAFANA_HOME", bin, packagedGrafana)
	}
	bin = filepath.Join(fetched, "bin", "grafana")
	if _, err := exec.LookPath(bin); err == nil {
		return bin, fetched, nil
	}
	return "", "", nil
}

// keptPassword returns the password in a file, which it makes at first: Grafana
// takes it only when it makes its database.
func keptPassword(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	password := rand.Text()
	return password, os.WriteFile(path, []byte(password+"\n"), 0o600)
}
