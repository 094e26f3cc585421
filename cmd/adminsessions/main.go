// Command adminsessions records what is done in any admin panel, and reads the
// trail that it and the library leave.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/cli"
)

// Exit statuses. Scripts can rely on them.
const (
	exitOK      = 0
	exitUsage   = cli.StatusUsage  // the command line or the configuration is wrong
	exitFailure = cli.StatusFailed // what was asked for could not be done
)

// commands is the command line: a field for each command, whose type has a
// Run method and lives in a file of its own.
type commands struct {
	cli.Commands
	Proxy   proxyCommand   `cmd:"" group:"record" help:"Record every request to a panel, as a reverse proxy in front of it."`
	Policy  policyCommand  `cmd:"" group:"record" help:"Try a policy file."`
	Version versionCommand `cmd:"" group:"program" help:"Print the version."`
	// As other programs have it. The command stands in the help.
	VersionFlag versionFlag `name:"version" hidden:""`
}

// program is what commands are given: the outside world, so that tests can have
// one of their own.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	logger         *slog.Logger
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	stop()
	os.Exit(status)
}

// errUsage marks an error that the caller can mend: it ends the program with
// status 2.
var errUsage = errors.New("wrong usage")

// asked is how kong ends a program that was asked for help.
type asked int

// run runs one command and returns the status to exit with. An error is one
// clear line on standard error.
func run(ctx context.Context, args []string, p *program) (status int) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case asked:
			status = int(v)
		default:
			panic(v)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("adminsessions"),
		kong.Description("Record what is done in any admin panel; watch, search and prove the trail."),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(status int) { panic(asked(status)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p, &cli.World{Stdout: p.stdout, Stderr: p.stderr, Getenv: p.getenv, Now: time.Now, Logger: p.logger}),
		kong.ExplicitGroups(groups()),
		kong.Vars(cli.Vars()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // a tag in the struct is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		err = errors.Join(errUsage, cli.WithHint(args, err))
	} else {
		err = parsed.Run()
	}
	var told interface{ ExitStatus() int }
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &told):
		status = told.ExitStatus()
	case errors.Is(err, errUsage):
		status = exitUsage
	default:
		status = exitFailure
	}
	if text := message(err); text != "" { // else it is told already
		fmt.Fprintf(p.stderr, "adminsessions: %s\n", text)
	}
	return status
}

// groups are the headings of help, in their order.
func groups() (list []kong.Group) {
	for _, g := range cli.Groups() {
		list = append(list, kong.Group{Key: g[0], Title: g[1]})
	}
	return list
}

// message is what an error says without the mark of [errUsage].
func message(err error) string {
	return strings.TrimPrefix(err.Error(), errUsage.Error()+"\n")
}
