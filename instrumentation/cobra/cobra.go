package adminsessionscobra

import (
	"context"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/redact"
)

// Wrap makes every command below root, and root itself, an act that recorder
// records. Commands that are added later are not.
//
// complete, unless nil, is given each act before it is done: it may say who
// somebody is to the panel, name the resource, or make the act strict. By default
// the user is the operating system's: the one who has called sudo, with root as
// whom he acts, or the one whose process it is.
func Wrap(root *cobra.Command, recorder *instrumentation.Recorder, complete func(*cobra.Command, []string, *instrumentation.Act)) {
	for _, c := range root.Commands() {
		Wrap(c, recorder, complete)
	}
	if !root.Runnable() {
		return
	}
	runE, plain := root.RunE, root.Run
	run := func(cmd *cobra.Command, args []string) error {
		if runE != nil {
			return runE(cmd, args)
		}
		plain(cmd, args)
		return nil
	}
	root.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		who, as := whoami(os.Geteuid(), os.Getenv)
		act := instrumentation.Act{Type: adminsessions.CLI, Action: action(cmd), Resource: resource(cmd, args), User: who, Reason: reason(cmd)}
		if complete != nil {
			complete(cmd, args, &act)
		}
		return recorder.Do(ctx, act, func(inner context.Context) error {
			if act.User == who {
				instrumentation.SetTarget(inner, as)
			}
			instrumentation.Annotate(inner, "", given(cmd, args)...)
			cmd.SetContext(inner)
			defer cmd.SetContext(ctx)
			return run(cmd, args)
		})
	}
}

// names are those of the commands that lead to this one, without the program's.
func names(cmd *cobra.Command) []string {
	var path []string
	for c := cmd; c.HasParent(); c = c.Parent() {
		path = append([]string{strings.ReplaceAll(strings.ToLower(c.Name()), "-", "_")}, path...)
	}
	return path
}

func action(cmd *cobra.Command) string {
	if path := names(cmd); len(path) > 0 {
		return strings.Join(path, ".")
	}
	return cmd.Name()
}

// resource is what the first argument names, of a command that has a noun before
// its verb.
func resource(cmd *cobra.Command, args []string) adminsessions.Resource {
	path := names(cmd)
	if len(path) < 2 || len(args) == 0 || isSecret(cmd, 0) {
		return adminsessions.Resource{}
	}
	return adminsessions.Resource{Type: path[len(path)-2], ID: args[0]}
}

func reason(cmd *cobra.Command) string {
	if f := cmd.Flags().Lookup("reason"); f != nil {
		return f.Value.String()
	}
	return ""
}

// given are the flags and arguments that were given.
func given(cmd *cobra.Command, args []string) (attrs []attribute.KeyValue) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "reason" {
			attrs = append(attrs, attribute.String("admin.flag."+f.Name, f.Value.String()))
		}
	})
	if len(args) > 0 {
		shown := slices.Clone(args)
		for i := range shown {
			if isSecret(cmd, i) {
				shown[i] = redact.Placeholder
			}
		}
		attrs = append(attrs, attribute.StringSlice("admin.args", shown))
	}
	return attrs
}

// isSecret reports whether the i-th argument is a secret by the name that the
// command's usage gives it ("set-password NAME PASSWORD"), or, where that gives
// none, by the command's.
func isSecret(cmd *cobra.Command, i int) bool {
	name := cmd.Name()
	if usage := strings.Fields(cmd.Use); i+1 < len(usage) {
		name = strings.Trim(usage[i+1], "<>[]{}().")
	}
	return redact.Name(name)
}

// whoami is who runs the process, and as whom. Only root can be believed to say
// that it was called by sudo.
func whoami(euid int, getenv func(string) string) (who, as adminsessions.User) {
	self := adminsessions.User{ID: strconv.Itoa(euid)}
	if u, err := user.LookupId(self.ID); err == nil {
		self = account(u)
	}
	if euid != 0 {
		return self, as
	}
	u, err := user.LookupId(getenv("SUDO_UID"))
	if err != nil || u.Uid == "0" {
		return self, as
	}
	return account(u), self
}

func account(u *user.User) adminsessions.User {
	full, _, _ := strings.Cut(u.Name, ",") // passwd may have room and telephone behind it
	return adminsessions.User{ID: u.Username, FullName: full}
}
