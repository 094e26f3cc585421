package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/adminsessions/adminsessions"
)

type manCommand struct{}

// Run prints the manual page.
func (c *manCommand) Run(w *World, k *kong.Context) error { return writeMan(w.Stdout, k.Model) }

// exitStatuses is what the statuses mean.
var exitStatuses = []struct {
	status int
	means  string
}{
	{StatusFound, "done; something was found, or nothing is wrong"},
	{StatusNothing, "nothing was found, or something is wrong with what was looked at"},
	{StatusUsage, "the command line, a file named on it, or the environment is wrong"},
	{StatusFailed, "it could not be done: Loki, the spool or the disk fails"},
	{StatusInterrupted, "it was interrupted"},
}

// environmentVariables are those that the commands read, besides those of the
// flags that say how Loki is reached.
var environmentVariables = [][2]string{
	{"ADMINSESSIONS_LOKI_…", "how Loki is reached, as the flags --loki-…: ADMINSESSIONS_LOKI_URL is --loki-url"},
	{"ADMINSESSIONS_CONFIG", "a YAML file whose section loki says the same"},
	{"ADMINSESSIONS_SPOOL_DIR", "the spool's folder"},
	{"NO_COLOR", "if it is set, nothing is coloured"},
}

// writeMan writes the manual page, in the language of man(7).
func writeMan(w io.Writer, app *kong.Application) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH ADMINSESSIONS 1 \"\" \"adminsessions %s\" \"User Commands\"\n", adminsessions.Version)
	fmt.Fprintf(&b, ".SH NAME\nadminsessions \\- %s\n", roff(strings.ToLower(app.Help[:1])+strings.TrimSuffix(app.Help[1:], ".")))
	fmt.Fprint(&b, ".SH SYNOPSIS\n.B adminsessions\n.I command\n[\\fIarguments\\fR] [\\fIflags\\fR]\n.SH COMMANDS\n")
	var loki []*kong.Flag
	for _, leaf := range app.Leaves(true) {
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff(usageOf(leaf)), roff(leaf.Help))
		if leaf.Detail != "" {
			fmt.Fprintf(&b, ".PP\n%s\n", roff(leaf.Detail))
		}
		for _, p := range leaf.Positional {
			fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(p.Name), roff(p.Help))
		}
		loki = loki[:0]
		for _, f := range leaf.Flags {
			if f.Group != nil && f.Group.Key == "loki" {
				loki = append(loki, f)
				continue
			}
			manFlag(&b, f)
		}
		if len(loki) > 0 {
			fmt.Fprint(&b, ".PP\nand the flags that say how Loki is reached, below.\n")
		}
	}
	fmt.Fprint(&b, ".SH \"HOW LOKI IS REACHED\"\nFlags win over the file, and the file over the environment.\n")
	for _, f := range lokiFlags(app) {
		manFlag(&b, f)
	}
	fmt.Fprint(&b, ".SH \"EXIT STATUS\"\n")
	for _, s := range exitStatuses {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", s.status, roff(s.means))
	}
	fmt.Fprint(&b, ".SH ENVIRONMENT\n")
	for _, v := range environmentVariables {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(v[0]), roff(v[1]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lokiFlags are the flags of all commands that say how Loki is reached.
func lokiFlags(app *kong.Application) (flags []*kong.Flag) {
	known := map[string]bool{}
	for _, leaf := range app.Leaves(true) {
		for _, f := range leaf.Flags {
			if f.Group != nil && f.Group.Key == "loki" && !known[f.Name] {
				known[f.Name] = true
				flags = append(flags, f)
			}
		}
	}
	return flags
}

func manFlag(b *strings.Builder, f *kong.Flag) {
	if f.Hidden || f.Name == "help" {
		return
	}
	fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(f.String()), roff(f.Help))
}

// usageOf is a command with its arguments.
func usageOf(n *kong.Node) string {
	words := []string{n.FullPath()}
	for _, p := range n.Positional {
		words = append(words, p.Summary())
	}
	return strings.Join(words, " ")
}

// roff escapes a text for man(7).
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
