package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// Environment variables, beside the exporter's own (ADMINSESSIONS_LOKI_…,
// ADMINSESSIONS_SPOOL_…) and OpenTelemetry's (OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES).
const (
	envListen  = "ADMINPANEL_LISTEN"          // address to serve on, default 127.0.0.1:8080
	envMetrics = "ADMINPANEL_METRICS_LISTEN"  // address for metrics and health in detail, default 127.0.0.1:9464
	envData    = "ADMINPANEL_DATA"            // folder for clients and spool, default .data/panel
	envWaitFor = "ADMINPANEL_WAIT_FOR"        // name=URL, … that must answer 200 before /readyz does
	envTraffic = "ADMINSESSIONS_DEMO_TRAFFIC" // on or off, default on
)

type config struct {
	listen    string
	operators string // address of the metrics
	dataDir   string
	spoolDir  string
	// proofKey is the file of the key that signs the trail's checkpoints.
	proofKey string
	// loki is what tests say of it; else exporter and page read it from the
	// environment.
	loki    adminsessions.Loki
	waitFor []dependency
	traffic bool
	// sessionKey hashes sessions for the trail. They end with the process, and so
	// does it.
	sessionKey []byte
}

// A dependency is a server that must answer before the panel is ready.
type dependency struct{ name, url string }

func readConfig(getenv func(string) string) (config, error) {
	or := func(value, fallback string) string {
		if value = strings.TrimSpace(value); value == "" {
			return fallback
		}
		return value
	}
	c := config{
		listen:    or(getenv(envListen), "127.0.0.1:8080"),
		operators: or(getenv(envMetrics), "127.0.0.1:9464"),
		dataDir:   or(getenv(envData), filepath.Join(".data", "panel")),

		sessionKey: []byte(rand.Text()),
	}
	c.spoolDir = or(getenv("ADMINSESSIONS_SPOOL_DIR"), filepath.Join(c.dataDir, "spool"))
	c.proofKey = or(getenv("ADMINSESSIONS_PROOF_KEY_FILE"), filepath.Join(c.dataDir, "trail.key"))

	var errs []error
	switch v := or(getenv(envTraffic), "on"); v {
	case "on", "off":
		c.traffic = v == "on"
	default:
		errs = append(errs, fmt.Errorf("%s: %q; want on or off", envTraffic, v))
	}
	asked := or(getenv("ADMINSESSIONS_LOKI_QUERY_URL"), or(getenv("ADMINSESSIONS_LOKI_URL"), "http://127.0.0.1:3100"))
	c.waitFor = []dependency{{"loki", strings.TrimSuffix(asked, "/") + "/ready"}}
	for pair := range strings.SplitSeq(getenv(envWaitFor), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, address, _ := strings.Cut(pair, "=")
		if u, err := url.Parse(address); err != nil || u.Host == "" {
			errs = append(errs, fmt.Errorf("%s: %q; want name=http://host:port/path, with commas between several", envWaitFor, pair))
			continue
		}
		c.waitFor = append(c.waitFor, dependency{name, address})
	}
	return c, errors.Join(errs...)
}
