package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// An asker puts a question to whoever started the demo and reports whether the
// answer is yes.
type asker func(ctx context.Context, question string) bool

// askerAt asks at a terminal. Where there is none, in a pipeline or in CI, it
// returns nil: nobody would answer.
func askerAt(in, out *os.File, getenv func(string) string) asker {
	if getenv("CI") != "" || !isTerminal(in) || !isTerminal(out) {
		return nil
	}
	return func(ctx context.Context, question string) bool { return ask(ctx, in, out, question) }
}

// isTerminal takes every device for a terminal that one writes characters to, but
// the one that swallows them.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(info, null)
}

// ask waits for a line. Anything but a yes is a no, and so is Ctrl-C.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) bool {
	fmt.Fprintf(out, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // reads on after Ctrl-C, until the demo ends
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		return line == "y" || line == "yes"
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false
	}
}
