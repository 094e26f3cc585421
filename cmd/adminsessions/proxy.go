package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/proxy"
	"github.com/adminsessions/adminsessions/policy"
)

// proxyCommand is adminsessions proxy.
type proxyCommand struct {
	Run   proxyRun   `cmd:"" default:"withargs" help:"Serve. SIGHUP reloads the configuration, SIGTERM shuts down in order."`
	Check proxyCheck `cmd:"" help:"Say what is wrong with a configuration, by line, and what it does with requests."`
}

// configFlag is the file of the proxy.
type configFlag struct {
	Config string `short:"c" env:"ADMINSESSIONS_CONFIG" default:"/etc/adminsessions/proxy.yaml" placeholder:"FILE" help:"The configuration (${env}; ${default})."`
}

type proxyRun struct {
	configFlag
}

// Run serves until it is told to end.
func (c *proxyRun) Run(ctx context.Context, p *program) error {
	load := func() (*proxy.Setup, error) { return proxy.Load(c.Config) }
	setup, err := load()
	if err != nil {
		return errors.Join(errUsage, err)
	}
	server, err := proxy.NewServer(setup, p.logger)
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	return server.Run(ctx, hup, load)
}

type proxyCheck struct {
	configFlag
	JSON     bool     `name:"json" help:"Print JSON."`
	Requests []string `arg:"" optional:"" name:"request" help:"Requests to try: GET /clients/7 POST https://panel.example/x."`
}

// Run checks the file, and tries the requests.
func (c *proxyCheck) Run(p *program) error {
	setup, err := proxy.Load(c.Config)
	if err != nil {
		return errors.Join(errUsage, err)
	}
	words := strings.Fields(strings.Join(c.Requests, " "))
	if len(words)%2 != 0 {
		return errors.Join(errUsage, fmt.Errorf("requests come as METHOD URL, as in GET /clients/7; got %q", words))
	}
	routes := []proxy.Route{}
	for ; len(words) > 0; words = words[2:] {
		route, err := setup.Try(words[0], words[1])
		if err != nil {
			return errors.Join(errUsage, err)
		}
		routes = append(routes, route)
	}
	proved, err := setup.Proof()
	if err != nil {
		return errors.Join(errUsage, fmt.Errorf("proof: %w", err))
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(map[string]any{"config": c.Config, "proof": proved, "requests": routes})
	}
	fmt.Fprintf(p.stdout, "%s: nothing is wrong with it\nproof: %s\n", c.Config, proved)
	for _, r := range routes {
		by := "no rule"
		if len(r.Rules) > 0 {
			by = strings.Join(r.Rules, ", ")
		}
		fmt.Fprintf(p.stdout, "%s %s\n  to      %s\n  policy  %s (%s)\n", r.Method, r.URL, r.To, r.Outcome, by)
		if r.SignIn {
			fmt.Fprintf(p.stdout, "  sign-in an attempt to sign in\n")
		}
	}
	return nil
}

// policyCommand is adminsessions policy.
type policyCommand struct {
	Test policyTest `cmd:"" help:"Say what a policy would do otherwise with the requests of an exported trail."`
}

type policyTest struct {
	Policy string `arg:"" type:"path" help:"The file with the section policy."`
	Trail  string `arg:"" help:"A trail exported as NDJSON, or - for standard input."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Run tells what would change.
func (c *policyTest) Run(p *program) error {
	read, err := policy.Read(c.Policy)
	if err != nil {
		return errors.Join(errUsage, err)
	}
	from := p.stdin
	if c.Trail != "-" {
		f, err := os.Open(c.Trail)
		if err != nil {
			return errors.Join(errUsage, err)
		}
		defer f.Close()
		from = f
	}
	events, changes, err := proxy.TestPolicy(read.Rules, from)
	if err != nil {
		return errors.Join(errUsage, fmt.Errorf("%s: %w", c.Trail, err))
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(map[string]any{"requests": events, "changes": changes})
	}
	rest := events
	for _, change := range changes {
		fmt.Fprintf(p.stdout, "%8d  %s (%s), as %s\n", change.Events, change.Outcome, strings.Join(change.Rules, ", "), change.Example)
		rest -= change.Events
	}
	fmt.Fprintf(p.stdout, "%8d  recorded (no rule)\n%8d  in all\n", rest, events)
	return nil
}
