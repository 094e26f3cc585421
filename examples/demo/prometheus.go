package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// prometheusConfig is deploy/prometheus/prometheus.yml for the demo's ports
// and folders, which Prometheus can't take from the environment.
const prometheusConfig = `global:
  scrape_interval: 5s
  evaluation_interval: 5s
rule_files:
  - %q
scrape_configs:
  - job_name: adminpanel
    scrape_native_histograms: true
    static_configs:
      - targets: [%q]
  - job_name: loki
    static_configs:
      - targets: [%q]
`

func (c config) prometheusService(bin string) (*service, error) {
	folder := filepath.Join(c.data, "prometheus")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("configure Prometheus: %w", err)
	}
	file := filepath.Join(folder, "prometheus.yml")
	content := fmt.Sprintf(prometheusConfig, filepath.Join(c.root, "dashboards", "alerts", "prometheus.yaml"),
		c.address(metricsPort), c.address(lokiReadPort))
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		return nil, fmt.Errorf("configure Prometheus: %w", err)
	}
	return &service{
		name: "prometheus", bin: bin, onDeath: syscall.SIGTERM,
		args: []string{
			"--config.file=" + file,
			"--storage.tsdb.path=" + filepath.Join(folder, "data"),
			"--web.listen-address=" + c.address(prometheusPort),
			"--log.level=warn",
		},
		ports:   []portUse{{prometheusPort, "Prometheus"}},
		logPath: c.log("prometheus"),
	}, nil
}
