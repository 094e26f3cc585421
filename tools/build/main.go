// Command build compiles the pinned programs into .tools/bin: those named on
// the command line, or all of them. What is there already is left alone.
//
//	go run ./tools/build loki promtool
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/adminsessions/adminsessions/internal/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := build(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, names []string) error {
	root, err := tools.Root()
	if err != nil {
		return err
	}
	wanted := tools.All()
	if len(names) > 0 {
		if wanted, err = named(names); err != nil {
			return err
		}
	}
	for _, tool := range wanted {
		if _, err := tool.Build(ctx, root, os.Stdout); err != nil {
			return err
		}
	}
	return nil
}

func named(names []string) ([]tools.Tool, error) {
	var found []tools.Tool
	for _, name := range names {
		at := slices.IndexFunc(tools.All(), func(t tools.Tool) bool { return t.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("no tool named %q; there are %s", name, known())
		}
		found = append(found, tools.All()[at])
	}
	return found, nil
}

func known() string {
	var names []string
	for _, tool := range tools.All() {
		names = append(names, tool.Name)
	}
	return strings.Join(names, ", ")
}
