package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/adminsessions/adminsessions/internal/tools"
)

func main() {
	// The kernel ends the services when the thread that started them ends; the
	// main thread ends with the process only.
	runtime.LockOSThread()

	flag.Usage = func() { _ = printSettings(flag.CommandLine.Output()) }
	help := flag.Bool("help", false, "list the settings")
	flag.Parse()
	if *help {
		_ = printSettings(os.Stdout)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := demo(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo runs everything until ctx ends.
func demo(ctx context.Context, getenv func(string) string, out io.Writer) error {
	root, err := tools.Root()
	if err != nil {
		return err
	}
	c, err := readConfig(root, getenv)
	if err != nil {
		return err
	}
	s := newSupervisor(out)
	grafana, err := c.grafanaService()
	if err != nil {
		return err
	}
	waitFor := ""
	if grafana != nil {
		waitFor = "grafana=" + c.url(grafanaPort) + "/api/health"
	}
	panel, err := c.panelService(waitFor)
	if err != nil {
		return err
	}
	services := []*service{panel}
	if grafana == nil {
		s.say("%s", grafanaMissing)
	} else {
		// Prometheus is there for Grafana's pipeline dashboard alone.
		prometheus, err := c.prometheusService()
		if err != nil {
			return err
		}
		services = append(services, grafana)
		if prometheus != nil {
			services = append(services, prometheus)
		}
	}
	if err := c.checkPorts(append(services, c.lokiService(""))...); err != nil {
		return err
	}

	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loki := make(chan built, 1)
	background.Go(func() {
		bin, err := c.lokiProgram(ctx, out)
		loki <- built{c.lokiService(bin), err}
	})
	ready := make(chan struct{})
	background.Go(func() { awaitReady(ctx, c.url(metricsPort)+"/readyz", ready) })
	return s.run(ctx, services, loki, ready, c.summary(grafana != nil))
}

// lokiProgram is the one LOKI_BIN names or PATH has, else the pinned one,
// which is built first if it is not current.
func (c config) lokiProgram(ctx context.Context, out io.Writer) (string, error) {
	bin, err := tools.Loki.Find(c.root)
	switch {
	case err == nil && bin != tools.Loki.Path(c.root):
		return bin, nil
	case err != nil && !errors.Is(err, tools.ErrNotFound):
		return "", err
	case err != nil:
		fmt.Fprintln(out, "demo: building Grafana Loki "+tools.LokiVersion+" from source: this once it takes minutes. "+
			"The panel records already; the backlog is delivered when Loki is up.")
	}
	return tools.Loki.Build(ctx, c.root, out)
}

// summary is what to do now that all is ready.
func (c config) summary(withGrafana bool) string {
	lines := []string{
		"all is ready",
		"  panel    " + c.url(panelPort) + "/admin/  (anna@example.com, rory@example.com or demo-admin@example.com, password demo)",
		"  trail    " + c.url(panelPort) + "/admin/monitoring/admin-sessions/",
		"  Loki     " + c.url(lokiPort),
	}
	if withGrafana {
		lines = append(lines, "  Grafana  "+c.url(grafanaPort)+"  ("+grafanaUser+", password in "+
			filepath.Join(c.folders[grafanaFolder], passwordFile)+")")
	}
	return strings.Join(append(lines, "  Ctrl-C ends everything; the data stays in "+c.data), "\n")
}
