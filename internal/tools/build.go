package tools

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
)

// reportEvery is how often a build that takes long says how far it is.
const reportEvery = 10 * time.Second

// Build compiles the program into .tools/bin unless it is there already, and
// returns its path. It needs the go command, and the network or a filled
// module cache. Progress goes to out, a line every ten seconds; the first
// build of Loki takes minutes. A cancelled ctx ends the compiler and leaves
// what was there before.
func (t Tool) Build(ctx context.Context, root string, out io.Writer) (string, error) {
	version, err := t.goCommand(ctx, root, "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("build %s: ask go for its version: %w", t.Name, err)
	}
	stamp, err := t.stamp(root, strings.TrimSpace(string(version)))
	if err != nil {
		return "", err
	}
	if t.current(root, stamp) {
		return t.Path(root), nil
	}

	if err := os.MkdirAll(filepath.Join(root, binDir), 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	if err := t.removeStamp(root); err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	start := time.Now()
	if err := t.compile(ctx, root, out); err != nil {
		return "", err
	}
	if err := t.writeStamp(root, stamp); err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	fmt.Fprintf(out, "%s: built in %s\n", t.Name, time.Since(start).Round(time.Second))
	return t.Path(root), nil
}

func (t Tool) compile(ctx context.Context, root string, out io.Writer) error {
	p := &progress{tool: t, out: out}
	stop := p.start()
	defer stop()

	// Listing the packages fetches the modules they are in, and tells how many
	// there are to compile.
	deps, err := p.run(t.goCommand(ctx, root, "list", "-deps", t.pkg))
	if err != nil {
		return fmt.Errorf("build %s: list its packages: %w", t.Name, err)
	}
	p.compiling(bytes.Count(deps, []byte("\n")))

	// The compiler writes beside the target and the rename puts it in place, so
	// that a running program is never written over.
	next := t.Path(root) + ".new"
	defer os.Remove(next)
	if _, err := p.run(t.goCommand(ctx, root, "build", "-v", "-buildvcs=false",
		"-ldflags", "-s -w "+t.ldflags, "-o", next, t.pkg)); err != nil {
		return fmt.Errorf("build %s: %w", t.Name, err)
	}
	if err := os.Rename(next, t.Path(root)); err != nil {
		return fmt.Errorf("build %s: %w", t.Name, err)
	}
	return nil
}

// goCommand runs go in the tool's module; a workspace or -mod flag of the
// caller's is none of its business.
func (t Tool) goCommand(ctx context.Context, root string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.dir(root)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	// The go command starts compilers: a cancelled build ends with all of them.
	childproc.Bind(cmd, syscall.SIGKILL)
	cmd.Cancel = func() error { return childproc.Signal(cmd, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// progress turns what the go command says on stderr into a line now and then.
type progress struct {
	tool Tool
	out  io.Writer

	mu         sync.Mutex
	downloaded int
	compiled   int
	total      int
	linking    bool
	tail       []string // the last lines, for an error
}

// start reports until the returned function is called.
func (p *progress) start() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				p.report(time.Since(began))
			}
		}
	}()
	return func() { close(quit); <-done }
}

func (p *progress) report(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took = took.Round(time.Second)
	switch {
	case p.total == 0:
		fmt.Fprintf(p.out, "%s: fetching modules, %d so far (%s)\n", p.tool.Name, p.downloaded, took)
	case p.linking:
		fmt.Fprintf(p.out, "%s: linking (%s)\n", p.tool.Name, took)
	default:
		fmt.Fprintf(p.out, "%s: compiled %d of up to %d packages (%s)\n", p.tool.Name, p.compiled, p.total, took)
	}
}

func (p *progress) compiling(total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = total
}

// run executes cmd, counts its messages and returns its output. A failure
// carries the last of the messages.
func (p *progress) run(cmd *exec.Cmd) ([]byte, error) {
	messages, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	var output bytes.Buffer
	cmd.Stdout = &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(messages)
	for lines.Scan() {
		p.count(lines.Text())
	}
	// A line too long to scan must not block the command.
	_, _ = io.Copy(io.Discard, messages)
	if err := cmd.Wait(); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return nil, fmt.Errorf("%w\n%s", err, strings.Join(p.tail, "\n"))
	}
	return output.Bytes(), nil
}

const tailLines = 20

func (p *progress) count(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		p.downloaded++
	case line == p.tool.pkg: // the main package is the last
		p.linking = true
	case p.total > 0 && !strings.ContainsAny(line, " :"):
		p.compiled++
	default:
		p.tail = append(p.tail, line)
		if len(p.tail) > tailLines {
			p.tail = p.tail[1:]
		}
	}
}
