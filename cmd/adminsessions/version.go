package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/adminsessions/adminsessions"
)

// commit is set by release builds that have no version control around them:
// -ldflags "-X main.commit=…".
var commit string

type versionCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// versionFlag is --version.
type versionFlag bool

// BeforeReset does what [versionCommand] does, whatever else is on the command
// line.
func (versionFlag) BeforeReset(k *kong.Kong, p *program) error {
	if err := (&versionCommand{}).Run(p); err != nil {
		return err
	}
	k.Exit(0)
	return nil
}

// Run prints the version, the commit it was built from, and by what. A program that
// was installed by version knows no commit, but the checksum of its module, which
// sum.golang.org vouches for.
func (c *versionCommand) Run(p *program) error {
	v := struct {
		Version  string `json:"version"`
		Commit   string `json:"commit,omitempty"`
		Modified bool   `json:"modified,omitempty"`
		Sum      string `json:"sum,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{Version: adminsessions.Version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Sum = info.Main.Sum
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = cmp.Or(v.Commit, s.Value)
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(v)
	}
	line := "adminsessions " + v.Version
	switch {
	case v.Commit != "":
		line += " (" + v.Commit[:min(12, len(v.Commit))]
		if v.Modified {
			line += ", modified"
		}
		line += ")"
	case v.Sum != "":
		line += " (" + v.Sum + ")"
	}
	_, err := fmt.Fprintln(p.stdout, line, v.Go, v.Platform)
	return err
}
