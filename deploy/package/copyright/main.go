// Command copyright writes, in Debian's machine-readable form, under which licences
// the program is that a release holds: its own, and those of all that is linked into
// it. It fails if a licence is not one of those that let the program be passed on
// under its own.
//
//	go run ./copyright -program ../../cmd/adminsessions linux/amd64 windows/amd64 …
//
// What is linked depends on the platform; it writes what any of those needs.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	program := flag.String("program", "cmd/adminsessions", "the program's `folder`")
	flag.Parse()
	if err := run(os.Stdout, *program, flag.Args()); err != nil {
		log.Fatalf("copyright: %v", err)
	}
}

func run(w io.Writer, program string, platforms []string) error {
	if len(platforms) == 0 {
		platforms = []string{runtime.GOOS + "/" + runtime.GOARCH}
	}
	var modules []module
	for _, platform := range platforms {
		linked, err := list(program, platform)
		if err != nil {
			return err
		}
		modules = append(modules, linked...)
	}
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.path, b.path) })
	modules = slices.Compact(modules)
	buffered := bufio.NewWriter(w)
	if _, err := buffered.WriteString(header); err != nil {
		return err
	}
	for _, m := range modules {
		stanza, err := m.stanza()
		if err != nil {
			return err
		}
		if _, err := buffered.WriteString(stanza); err != nil {
			return err
		}
	}
	if _, err := buffered.WriteString(footer); err != nil {
		return err
	}
	return buffered.Flush()
}

const own = "github.com/adminsessions/adminsessions"

const header = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: adminsessions
Source: https://` + own + `
Comment: The program is linked statically. Below its own licence stand those of the
 modules that are part of it, each under its import path.

Files: *
Copyright: the authors of adminsessions
License: Apache-2.0
`

// The whole text is beside this file in what is released, and on every Debian system.
const footer = `
License: Apache-2.0
 Licensed under the Apache License, Version 2.0 (the "License"); you may not use this
 file except in compliance with the License. You may obtain a copy of the License at
 .
 https://www.apache.org/licenses/LICENSE-2.0
 .
 Unless required by applicable law or agreed to in writing, software distributed under
 the License is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF
 ANY KIND, either express or implied. See the License for the specific language
 governing permissions and limitations under the License.
 .
 The whole text is in the file LICENSE; on Debian systems it is in
 /usr/share/common-licenses/Apache-2.0.
`

// module is what a program is linked from.
type module struct{ path, version, dir string }

// list returns the modules that the program is linked from on a platform, the
// standard library among them; this repository's own are left out.
func list(program, platform string) ([]module, error) {
	system, processor, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("platform %q: want system/processor, such as linux/amd64", platform)
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}", ".")
	cmd.Dir = program
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor)
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = errors.New(string(exit.Stderr))
		}
		return nil, fmt.Errorf("list what %s links on %s: %w", program, platform, err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find Go's own licence: %w", err)
	}
	modules := []module{{path: "std", version: runtime.Version(), dir: strings.TrimSpace(string(goroot))}}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) == 3 && f[0] != own && !strings.HasPrefix(f[0], own+"/") {
			modules = append(modules, module{f[0], f[1], f[2]})
		}
	}
	return modules, nil
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)(\.(txt|md))?$`)
	noticeFile  = regexp.MustCompile(`(?i)^notice(\.(txt|md))?$`)
	holder      = regexp.MustCompile(`(?mi)^[\s#*/]*(copyright\s+(?:\(c\)|©|[0-9]).*?)\s*$`)
)

// stanza is what is to be said of the module.
func (m module) stanza() (string, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return "", fmt.Errorf("look for the licence of %s: %w", m.path, err)
	}
	var licence, notice string
	for _, e := range entries {
		if e.IsDir() || e.Type()&fs.ModeSymlink != 0 {
			continue
		}
		into := &licence
		if noticeFile.MatchString(e.Name()) {
			into = &notice
		} else if !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return "", fmt.Errorf("read the licence of %s: %w", m.path, err)
		}
		*into += string(text)
	}
	names, err := identify(licence)
	if err != nil {
		return "", fmt.Errorf("%s %s in %s: %w", m.path, m.version, m.dir, err)
	}
	var holders []string
	for _, found := range holder.FindAllStringSubmatch(licence+"\n"+notice, -1) {
		if !slices.Contains(holders, found[1]) {
			holders = append(holders, found[1])
		}
	}
	if len(holders) == 0 {
		holders = []string{"the authors of " + m.path}
	}
	text := fmt.Sprintf("\nFiles: %s/*\nCopyright: %s\nComment: %s %s, source at https://pkg.go.dev/%s@%s\n",
		m.path, strings.Join(holders, "\n "), m.path, m.version, m.path, m.version)
	if notice != "" {
		text += " It comes with this notice:\n .\n" + indent(notice)
	}
	text += "License: " + strings.Join(names, " and ") + "\n"
	if slices.Equal(names, []string{apache}) {
		return text, nil // it stands once, at the end
	}
	return text + indent(licence), nil
}

// indent makes a text a field's continuation.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))) {
		if line = strings.TrimRight(line, " \t\n"); line == "" {
			line = "."
		}
		b.WriteString(" " + line + "\n")
	}
	return b.String()
}
