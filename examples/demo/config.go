package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"text/tabwriter"
)

// A setting is an environment variable of the demo.
type setting struct {
	name, value, meaning string // value is the default
}

const (
	panelPort      = "ADMINSESSIONS_DEMO_PANEL_PORT"
	metricsPort    = "ADMINSESSIONS_DEMO_METRICS_PORT"
	lokiPort       = "ADMINSESSIONS_DEMO_LOKI_PORT"
	lokiReadPort   = "ADMINSESSIONS_DEMO_LOKI_READ_PORT"
	lokiGRPCPort   = "ADMINSESSIONS_DEMO_LOKI_GRPC_PORT"
	grafanaPort    = "ADMINSESSIONS_DEMO_GRAFANA_PORT"
	prometheusPort = "ADMINSESSIONS_DEMO_PROMETHEUS_PORT"
	dataFolder     = "ADMINSESSIONS_DEMO_DATA"
	panelFolder    = "ADMINSESSIONS_DEMO_PANEL_DATA"
	lokiFolder     = "ADMINSESSIONS_DEMO_LOKI_DATA"
	grafanaFolder  = "ADMINSESSIONS_DEMO_GRAFANA_DATA"
	trafficSwitch  = "ADMINSESSIONS_DEMO_TRAFFIC"
	grafanaChoice  = "GRAFANA"
)

func settings() []setting {
	return []setting{
		{trafficSwitch, "on", `"off" leaves the background traffic out`},
		{panelPort, "8080", "of the admin panel"},
		{metricsPort, "9464", "of the panel's metrics and health"},
		{lokiPort, "3100", "of Loki"},
		{lokiReadPort, "3101", "where Loki can only be asked, for Grafana and Prometheus"},
		{lokiGRPCPort, "9095", "of Loki's gRPC server"},
		{grafanaPort, "3000", "of Grafana, if it is installed"},
		{prometheusPort, "9090", "of Prometheus, if Grafana is installed"},
		{dataFolder, ".data", "folder for everything the demo keeps"},
		{panelFolder, "panel", "of the panel's clients and spool, in that folder unless absolute"},
		{lokiFolder, "loki", "of Loki's data, likewise"},
		{grafanaFolder, "grafana", "of Grafana's data and password, likewise"},
		{"LOKI_BIN", "", "a Loki to run instead of the one on PATH or the pinned one"},
		{grafanaChoice, "", `"download" fetches Grafana ` + grafanaVersion + ` from https://grafana.com into .tools if none is installed, without asking; "none" leaves it out`},
		{"GRAFANA_HOME", "", "folder of a Grafana (12.3 or newer), if it is not on PATH"},
		{"PROMETHEUS_BIN", "", "a Prometheus to run instead of the one on PATH or the pinned one"},
	}
}

// printSettings lists them, for `make help`.
func printSettings(w io.Writer) error {
	fmt.Fprintln(w, "Settings of the demo (environment variables; all ports are on 127.0.0.1):")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings() {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.name, s.value, s.meaning)
	}
	return table.Flush()
}

type config struct {
	root    string // of the repository
	traffic string
	ports   map[string]int
	data    string
	folders map[string]string
	grafana grafanaDownload
	getenv  func(string) string
}

// readConfig takes the settings; every fault is named at once.
func readConfig(root string, getenv func(string) string) (config, error) {
	c := config{root: root, ports: make(map[string]int), folders: make(map[string]string), getenv: getenv}
	value := make(map[string]string)
	for _, s := range settings() {
		value[s.name] = s.value
		if v := getenv(s.name); v != "" {
			value[s.name] = v
		}
	}

	var errs []error
	taken := make(map[int]string)
	for _, name := range []string{panelPort, metricsPort, lokiPort, lokiReadPort, lokiGRPCPort, grafanaPort, prometheusPort} {
		port, err := strconv.Atoi(value[name])
		if err != nil || port < 1 || port > 65535 {
			errs = append(errs, fmt.Errorf("%s: %q; want a port, 1 to 65535", name, value[name]))
			continue
		}
		if other, ok := taken[port]; ok {
			errs = append(errs, fmt.Errorf("%s and %s are both %d", other, name, port))
		}
		taken[port], c.ports[name] = name, port
	}
	if c.traffic = value[trafficSwitch]; c.traffic != "on" && c.traffic != "off" {
		errs = append(errs, fmt.Errorf("%s: %q; want on or off", trafficSwitch, c.traffic))
	}
	if choice := value[grafanaChoice]; choice != "" && choice != "download" && choice != "none" {
		errs = append(errs, fmt.Errorf("%s: %q; want download, none, or nothing", grafanaChoice, choice))
	}
	c.grafana = grafanaDownload{client: http.DefaultClient, releases: grafanaReleases, dir: filepath.Join(root, ".tools")}
	c.data = below(root, value[dataFolder])
	for _, name := range []string{panelFolder, lokiFolder, grafanaFolder} {
		c.folders[name] = below(c.data, value[name])
	}
	return c, errors.Join(errs...)
}

// below is path, seen from folder unless it is absolute.
func below(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

func (c config) address(port string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports[port]))
}

func (c config) url(port string) string { return "http://" + c.address(port) }

// checkPort reports whether somebody else has a port.
func (c config) checkPort(name, what string) error {
	l, err := net.Listen("tcp", c.address(name))
	if err != nil {
		return fmt.Errorf("port %d, for %s, is taken: %w; end what uses it, or set %s to another",
			c.ports[name], what, err, name)
	}
	return l.Close()
}
