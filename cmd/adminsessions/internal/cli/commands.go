package cli

import (
	"fmt"

	"github.com/adminsessions/adminsessions/cmd/adminsessions/internal/doctor"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// Commands is the part of the command line that this package has.
type Commands struct {
	Tail     tailCommand     `cmd:"" group:"trail" help:"Follow the trail as it is recorded."`
	Search   searchCommand   `cmd:"" group:"trail" help:"Search the trail."`
	Show     showCommand     `cmd:"" group:"trail" help:"Show everything recorded of one request."`
	Export   exportCommand   `cmd:"" group:"trail" help:"Write events to a file for other programs."`
	Sessions sessionsCommand `cmd:"" group:"trail" help:"List sessions: who, from where, with what, for how long."`
	Verify   verifyCommand   `cmd:"" group:"trail" help:"Prove that nothing is missing from the trail and nothing was altered."`
	Key      keyCommand      `cmd:"" group:"trail" help:"Make the key that signs the trail's checkpoints."`
	Who      whoCommand      `cmd:"" group:"trail" help:"List who is or was active."`
	Report   reportCommand   `cmd:"" group:"trail" help:"Sum up a day, a week or a month for whoever reviews it."`

	Doctor     doctorCommand     `cmd:"" group:"delivery" help:"Find what would lose, double or hide an event in Loki."`
	Plan       planCommand       `cmd:"" group:"delivery" help:"Work out what a trail needs of spools and Loki, and what to set."`
	Spool      spoolCommand      `cmd:"" group:"delivery" help:"Look into a spool, whether its panel runs or not."`
	Quarantine quarantineCommand `cmd:"" group:"delivery" help:"Look after events that Loki has refused."`

	Completion completionCommand `cmd:"" group:"program" help:"Print a script that completes commands and flags in a shell."`
	Man        manCommand        `cmd:"" group:"program" help:"Print the manual page."`
	Complete   completeCommand   `cmd:"" hidden:"" help:"Print what the last of some words can be: for the scripts of completion."`
}

// Groups are the headings under which commands and flags are listed: key and
// title.
func Groups() [][2]string {
	return [][2]string{
		{"record", "Recording"},
		{"trail", "The trail"},
		{"delivery", "Its delivery"},
		{"program", "This program"},
		{"schedule", "Again and again"},
		{"loki", "How Loki is reached"},
	}
}

// Vars are what help texts name.
func Vars() map[string]string {
	return map[string]string{
		"loki_url": loki.DefaultURL, "peak": fmt.Sprint(doctor.DefaultPeak), "line_bytes": fmt.Sprint(doctor.DefaultLineBytes),
	}
}
