package main

import (
	"context"
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
	if err := demo(ctx, os.Getenv, askerAt(os.Stdin, os.Stdout, os.Getenv), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo runs everything until ctx ends.
func demo(ctx context.Context, getenv func(string) string, ask asker, out io.Writer) error {
	root, err := tools.Root()
	if err != nil {
		return err
	}
	c, err := readConfig(root, getenv)
	if err != nil {
		return err
	}
	s := newSupervisor(out)
	c.fetchGrafana(ctx, ask, s.say)
	if ctx.Err() != nil {
		return nil
	}
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
	services, later := []*service{panel}, []build{{program: "loki", service: c.lokiService}}
	switch {
	case grafana == nil && getenv(grafanaChoice) != "none":
		s.say("%s", grafanaMissing)
	case grafana != nil:
		// Grafana's page of the pipeline's own health asks Prometheus.
		services = append(services, grafana)
		later = append(later, build{program: "prometheus", service: c.prometheusService, without: "the page of the pipeline's health"})
	}
	if err := c.checkPorts(services, later); err != nil {
		return err
	}
	stop, err := c.serveQuestions(out)
	if err != nil {
		return err
	}
	defer stop()

	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	programs := make(chan built, len(later)) // written to once for each of later
	background.Go(func() {
		for _, b := range later { // one after the other: each takes all processors
			programs <- b.build(ctx, c, out)
		}
	})
	ready := make(chan struct{})
	background.Go(func() { awaitReady(ctx, c.url(metricsPort)+"/readyz", ready) })
	return s.run(ctx, services, programs, ready, c.summary(grafana != nil))
}

// summary is what to do now that all is ready.
func (c config) summary(withGrafana bool) string {
	lines := []string{
		"all is ready",
		"  panel    " + c.url(panelPort) + "/admin/  (anna@example.com, rory@example.com or demo-admin@example.com, password demo)",
		"  trail    " + c.url(panelPort) + "/admin/monitoring/admin-sessions/",
		"  Loki     " + c.url(lokiPort) + "  (questions only: " + c.url(lokiReadPort) + ")",
	}
	if withGrafana {
		lines = append(lines, "  Grafana  "+c.url(grafanaPort)+"  ("+grafanaUser+", password in "+
			filepath.Join(c.folders[grafanaFolder], passwordFile)+")")
	}
	return strings.Join(append(lines, "  Ctrl-C ends everything; the data stays in "+c.data), "\n")
}
