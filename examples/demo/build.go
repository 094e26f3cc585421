package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// A build is a pinned program, and the service that runs it once it is there.
type build struct {
	program string
	service func(bin string) (*service, error)
	// without, unless empty, is what the demo lacks without it; else it can't
	// run.
	without string
}

// built is a service whose program is there, or why it is not; neither where
// the demo goes on without.
type built struct {
	service *service
	err     error
}

// build finds the program that is installed or named, else has make build the
// pinned one.
func (b build) build(ctx context.Context, c config, out io.Writer) built {
	bin, err := tools.Find(c.root, b.program)
	switch {
	case errors.Is(err, tools.ErrNotFound):
		fmt.Fprintf(out, "demo: building %s from source: this once it takes minutes. "+
			"The panel records already; its spool keeps what Loki can't take yet.\n", b.program)
		fallthrough
	case err == nil && bin == tools.Built(c.root, b.program): // there, but perhaps not of this release
		bin, err = makeProgram(ctx, c.root, b.program)
	}
	if err != nil && b.without != "" && ctx.Err() == nil {
		fmt.Fprintf(out, "demo: %s is not there: %v; going on without %s\n", b.program, err, b.without)
		return built{}
	}
	if err != nil {
		return built{err: err}
	}
	s, err := b.service(bin)
	return built{s, err}
}

// makeProgram runs make. A cancelled ctx ends the compilers, too.
func makeProgram(ctx context.Context, root, program string) (string, error) {
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", root, program)
	childproc.Bind(cmd, syscall.SIGKILL)
	cmd.Cancel = func() error { return childproc.Signal(cmd, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", program, err, strings.TrimSpace(string(said)))
	}
	return tools.Built(root, program), nil
}
