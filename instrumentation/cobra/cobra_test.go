package adminsessionscobra

import (
	"context"
	"errors"
	"io"
	"os/user"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationtest"
)

// program is "panelctl clients suspend|set-plan" and "panelctl backup".
func program() *cobra.Command {
	root := &cobra.Command{Use: "panelctl", SilenceErrors: true, SilenceUsage: true}
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.PersistentFlags().String("api-key", "", "")
	clients := &cobra.Command{Use: "clients"}
	suspend := &cobra.Command{Use: "suspend ID", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, _ []string) error {
		instrumentation.Changed(cmd.Context(), map[string]string{"status": "active"}, map[string]string{"status": "suspended"})
		if fail, _ := cmd.Flags().GetBool("fail"); fail {
			return errors.New("no such client")
		}
		return nil
	}}
	suspend.Flags().Bool("fail", false, "")
	suspend.Flags().String("reason", "", "")
	suspend.Flags().String("db.password", "", "")
	plan := &cobra.Command{Use: "set-plan", Run: func(*cobra.Command, []string) { panic("bug") }}
	nothing := func(*cobra.Command, []string) {}
	clients.AddCommand(suspend, plan,
		&cobra.Command{Use: "set-password <client> <password> [note]", Run: nothing}, &cobra.Command{Use: "rotate-secret", Run: nothing},
		&cobra.Command{Use: "import TOKEN", Run: nothing})
	root.AddCommand(clients, &cobra.Command{Use: "backup", Run: func(cmd *cobra.Command, _ []string) {
		if cmd.Context() == nil {
			panic("no context")
		}
	}})
	return root
}

func attr(key, value string) attribute.KeyValue { return attribute.String(key, value) }

func TestCommands(t *testing.T) {
	who, as := whoami(0, func(string) string { return "" })
	if as != (adminsessions.User{}) || who.ID != "root" {
		t.Fatalf("root is %+v, as %+v", who, as)
	}
	for _, c := range []struct {
		line string
		want []adminsessions.Event
		err  string
	}{
		{"clients suspend 7731 --reason ticket-4711", []adminsessions.Event{{
			Type: adminsessions.CLI, Action: "clients.suspend", Outcome: adminsessions.OutcomeSuccess, Reason: "ticket-4711",
			Resource: adminsessions.Resource{Type: "clients", ID: "7731"}, Changes: []adminsessions.Change{{Field: "status", Old: "active", New: "suspended"}},
			Attributes: []attribute.KeyValue{attr("admin.args", `["7731"]`)},
		}}, ""},
		{"clients suspend 7731 --fail --api-key hunter2x --db.password hunter2x", []adminsessions.Event{{
			Action: "clients.suspend", Outcome: adminsessions.OutcomeFailure, ErrorType: "error",
			Attributes: []attribute.KeyValue{attr("admin.flag.fail", "true"), attr("admin.flag.api-key", "REDACTED"), attr("admin.flag.db.password", "REDACTED")},
		}}, "no such client"},
		{"clients set-password 7731 hunter2x asked", []adminsessions.Event{{
			Action: "clients.set_password", Resource: adminsessions.Resource{Type: "clients", ID: "7731"},
			Attributes: []attribute.KeyValue{attr("admin.args", `["7731","REDACTED","asked"]`)},
		}}, ""},
		{"clients rotate-secret hunter2x", []adminsessions.Event{{
			Action: "clients.rotate_secret", Attributes: []attribute.KeyValue{attr("admin.args", `["REDACTED"]`)},
		}}, ""},
		{"clients import hunter2x", []adminsessions.Event{{
			Action: "clients.import", Attributes: []attribute.KeyValue{attr("admin.args", `["REDACTED"]`)},
		}}, ""},
		{"clients set-plan", []adminsessions.Event{{Action: "clients.set_plan", Outcome: adminsessions.OutcomeError, ErrorType: "panic: string"}}, "bug"},
		{"backup", []adminsessions.Event{{Action: "backup", Outcome: adminsessions.OutcomeSuccess}}, ""},
		{"clients suspend", nil, "accepts 1 arg"}, // nothing was done
		{"clients suspend 1 --nosuch", nil, "unknown flag"},
		{"clients", nil, ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			trail := instrumentationtest.New(t)
			root := program()
			Wrap(root, trail.Recorder(), nil)
			root.SetArgs(strings.Fields(c.line))
			var err error
			func() {
				defer func() {
					if v := recover(); v != nil {
						err = errors.New(v.(string))
					}
				}()
				err = root.Execute()
			}()
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			trail.Want(c.want...)
		})
	}
}

func TestWhatTheProgramSays(t *testing.T) {
	trail := instrumentationtest.New(t)
	root := program()
	Wrap(root, trail.Recorder(), func(cmd *cobra.Command, args []string, act *instrumentation.Act) {
		act.User = adminsessions.User{ID: "7", Email: "anna@example.com"}
		act.Action += "." + args[0]
		act.Strict = true
	})
	root.SetArgs([]string{"clients", "suspend", "5"})
	if err := root.ExecuteContext(context.WithValue(t.Context(), key{}, 1)); err != nil {
		t.Fatal(err)
	}
	trail.Want(
		adminsessions.Event{Stage: adminsessions.Started, Action: "clients.suspend.5", User: adminsessions.User{ID: "7", Email: "anna@example.com"}},
		adminsessions.Event{Stage: adminsessions.Complete, Action: "clients.suspend.5", User: adminsessions.User{ID: "7", Email: "anna@example.com"}},
	)
}

type key struct{}

func TestWhoami(t *testing.T) {
	for _, uid := range []string{"1", "2", "65534"} {
		if u, err := user.LookupId(uid); err == nil {
			other := u.Username
			who, as := whoami(0, func(string) string { return uid })
			if who.ID != other || as.ID != "root" {
				t.Errorf("called with sudo by %s: %+v as %+v", other, who, as)
			}
			break
		}
	}
	// Whoever is not root can't say that somebody else has called sudo.
	if who, as := whoami(54321, func(string) string { return "0" }); who.ID != "54321" || as != (adminsessions.User{}) {
		t.Errorf("%+v as %+v", who, as)
	}
	if who, _ := whoami(0, func(string) string { return "nobody has this" }); who.ID != "root" {
		t.Errorf("with nonsense in SUDO_UID: %+v", who)
	}
}
