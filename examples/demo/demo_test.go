package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestConfigNamesWhatIsWrong(t *testing.T) {
	env := map[string]string{panelPort: "http", lokiPort: "3000", trafficSwitch: "maybe"}
	_, err := readConfig("/repo", func(name string) string { return env[name] })
	for _, want := range []string{
		panelPort + `: "http"; want a port`,
		lokiPort + " and " + grafanaPort + " are both 3000",
		trafficSwitch + `: "maybe"; want on or off`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestFoldersAreBelowTheDataFolderUnlessAbsolute(t *testing.T) {
	env := map[string]string{dataFolder: "kept", lokiFolder: "/srv/loki"}
	c, err := readConfig("/repo", func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if c.data != "/repo/kept" || c.folders[panelFolder] != "/repo/kept/panel" || c.folders[lokiFolder] != "/srv/loki" {
		t.Errorf("folders %s, %v", c.data, c.folders)
	}
}

func TestEverySettingIsListed(t *testing.T) {
	var out bytes.Buffer
	if err := printSettings(&out); err != nil {
		t.Fatal(err)
	}
	for _, s := range settings() {
		if !strings.Contains(out.String(), s.name) {
			t.Errorf("%s is not in the help", s.name)
		}
	}
}

func TestGrafana(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if bin, _, err := findGrafana("", ""); bin != "" || err != nil {
		t.Errorf("without one: %q, %v; want nothing and no error", bin, err)
	}
	home := t.TempDir()
	if _, _, err := findGrafana(home, ""); err == nil || !strings.Contains(err.Error(), "GRAFANA_HOME") {
		t.Errorf("a GRAFANA_HOME without Grafana: %v", err)
	}
	program := filepath.Join(home, "bin", "grafana")
	for path, mode := range map[string]os.FileMode{program: 0o755, filepath.Join(home, "conf", "defaults.ini"): 0o644} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if bin, dir, err := findGrafana(home, ""); bin != program || dir != home || err != nil {
		t.Errorf("by GRAFANA_HOME: %s, %s, %v", bin, dir, err)
	}
	t.Setenv("PATH", filepath.Dir(program))
	if bin, dir, err := findGrafana("", ""); bin != program || dir != home || err != nil {
		t.Errorf("on PATH: %s, %s, %v", bin, dir, err)
	}
}

func TestGrafanasPasswordStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grafana", passwordFile)
	first, err := keptPassword(path)
	if err != nil || len(first) < 20 {
		t.Fatalf("password of %d letters, %v", len(first), err)
	}
	if again, err := keptPassword(path); again != first || err != nil {
		t.Errorf("the next start has another password (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the password: %v, %v", info.Mode(), err)
	}
}

// shell is a service that runs a shell script.
func shell(t *testing.T, script string) *service {
	t.Helper()
	return &service{
		name: "shell", bin: "/bin/sh", args: []string{"-c", script}, onDeath: syscall.SIGKILL,
		logPath: filepath.Join(t.TempDir(), "log", "shell.log"),
	}
}

func TestSupervisorGivesUpOnWhatKeepsCrashing(t *testing.T) {
	var out bytes.Buffer
	s := newSupervisor(&out)
	s.pause = time.Millisecond
	err := s.run(t.Context(), []*service{shell(t, "echo no disk left; exit 3")}, nil, nil, "")
	if err == nil || !strings.Contains(err.Error(), "5 times in a row") || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.Contains(err.Error(), "no disk left") {
		t.Errorf("error = %v; want how often, how, and its last words", err)
	}
	if n := strings.Count(out.String(), "starting it again"); n != maxCrashes-1 {
		t.Errorf("started again %d times, want %d:\n%s", n, maxCrashes-1, &out)
	}
}

func TestSupervisorEndsTheRestWhenLokiCannotBeBuilt(t *testing.T) {
	var out bytes.Buffer
	s := newSupervisor(&out)
	one := shell(t, "sleep 1000 & wait") // with a process of its own
	loki := make(chan built, 1)
	loki <- built{err: errors.New("build loki: no network")}
	err := s.run(t.Context(), []*service{one}, loki, nil, "")
	if err == nil || !strings.Contains(err.Error(), "no network") || !strings.Contains(err.Error(), "in its spool") {
		t.Errorf("error = %v; want why, and what became of the records", err)
	}
	if one.cmd != nil {
		t.Error("the service still runs")
	}
}

func TestSupervisorEndsInOrderWhenAsked(t *testing.T) {
	var out bytes.Buffer
	s := newSupervisor(&out)
	dir := t.TempDir()
	script := func(name string) string {
		return "trap 'echo " + name + " >> " + dir + "/order; exit 0' TERM; touch " + dir + "/" + name + "; while :; do sleep 0.05; done"
	}
	first, second := shell(t, script("first")), shell(t, script("second"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			_, a := os.Stat(filepath.Join(dir, "first"))
			_, b := os.Stat(filepath.Join(dir, "second"))
			if a == nil && b == nil || t.Context().Err() != nil {
				return
			}
		}
	}()
	if err := s.run(ctx, []*service{first, second}, nil, nil, ""); err != nil {
		t.Fatal(err)
	}
	order, err := os.ReadFile(filepath.Join(dir, "order"))
	if err != nil || string(order) != "first\nsecond\n" {
		t.Errorf("ended in the order %q, %v", order, err)
	}
}
