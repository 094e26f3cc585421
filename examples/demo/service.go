package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
)

// A service is a process that the demo keeps running.
type service struct {
	name    string
	bin     string
	args    []string
	env     []string // beside the demo's own
	ports   []portUse
	onDeath syscall.Signal // what it gets if the demo is killed
	logPath string

	// Owned by the supervisor's goroutine.
	cmd     *exec.Cmd // nil while it does not run
	started time.Time
	crashes int // one soon after the other
}

// portUse is a port that must be free before a service starts.
type portUse struct{ setting, what string }

// maxLog is how large a log may be before the next start begins a new one;
// the old one is kept beside it.
const maxLog = 16 << 20

// start runs the service. What it writes goes to its log.
func (s *service) start() error {
	if err := os.MkdirAll(filepath.Dir(s.logPath), 0o755); err != nil {
		return err
	}
	if info, err := os.Stat(s.logPath); err == nil && info.Size() > maxLog {
		if err := os.Rename(s.logPath, s.logPath+".old"); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(s.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()

	cmd := exec.Command(s.bin, s.args...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	childproc.Bind(cmd, s.onDeath)
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.started = cmd, time.Now()
	return nil
}

// lastWords is the end of the service's log.
func (s *service) lastWords() string {
	const most = 2 << 10
	log, err := os.Open(s.logPath)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return err.Error()
	}
	tail := make([]byte, min(most, info.Size()))
	if _, err := log.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return err.Error()
	}
	return "  " + strings.ReplaceAll(strings.TrimSpace(string(tail)), "\n", "\n  ")
}

// panelService needs no Loki to be there: it records into its spool.
func (c config) panelService(waitFor string) (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the panel's program: %w", err)
	}
	bin := filepath.Join(filepath.Dir(self), "adminpanel")
	if _, err := exec.LookPath(bin); err != nil {
		return nil, fmt.Errorf("find the panel's program beside the demo's: %w; build both with \"make demo\"", err)
	}
	return &service{
		name: "adminpanel", bin: bin, onDeath: syscall.SIGTERM,
		ports: []portUse{{panelPort, "the admin panel"}, {metricsPort, "the panel's metrics"}},
		env: []string{
			"ADMINPANEL_LISTEN=" + c.address(panelPort),
			"ADMINPANEL_METRICS_LISTEN=" + c.address(metricsPort),
			"ADMINPANEL_DATA=" + c.folders[panelFolder],
			"ADMINPANEL_WAIT_FOR=" + waitFor,
			"ADMINSESSIONS_LOKI_URL=" + c.url(lokiPort),
			trafficSwitch + "=" + c.traffic,
		},
		logPath: c.log("adminpanel"),
	}, nil
}

func (c config) lokiService(bin string) (*service, error) {
	return &service{
		name: "loki", bin: bin, onDeath: syscall.SIGTERM,
		args:  []string{"-config.file=" + filepath.Join(c.root, "deploy", "loki", "loki.yaml"), "-config.expand-env=true"},
		ports: []portUse{{lokiPort, "Loki"}, {lokiGRPCPort, "Loki's gRPC server"}},
		env: []string{
			"LOKI_DATA_DIR=" + c.folders[lokiFolder],
			"LOKI_RULES_DIR=" + filepath.Join(c.folders[lokiFolder], "rules"),
			"LOKI_HTTP_ADDRESS=127.0.0.1",
			fmt.Sprintf("LOKI_HTTP_PORT=%d", c.ports[lokiPort]),
			fmt.Sprintf("LOKI_GRPC_PORT=%d", c.ports[lokiGRPCPort]),
		},
		logPath: c.log("loki"),
	}, nil
}

func (c config) log(name string) string { return filepath.Join(c.data, "log", name+".log") }

// checkPorts names every port that somebody else has.
func (c config) checkPorts(services []*service, later []build) error {
	for _, b := range later {
		s, err := b.service("")
		if err != nil {
			return err
		}
		services = append(services, s)
	}
	errs := []error{c.checkPort(lokiReadPort, "questions to Loki")}
	for _, s := range services {
		for _, use := range s.ports {
			errs = append(errs, c.checkPort(use.setting, use.what))
		}
	}
	return errors.Join(errs...)
}
