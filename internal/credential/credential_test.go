package credential

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		line    string // "" if it is refused
		wrong   string
	}{
		"a line":             {"hunter2", 0o600, "hunter2", ""},
		"ended by an editor": {"hunter2\r\n", 0o400, "hunter2", ""},
		"spaces are part":    {" hunter2 \n", 0o600, " hunter2 ", ""},
		"readable, as Kubernetes and Compose make it": {"hunter2\n", 0o644, "hunter2", ""},
		"every user can change it":                    {"hunter2\n", 0o646, "", "can be changed by every user (mode 0646)"},
		"empty":                                       {"\n", 0o600, "", "is empty"},
		"two lines":                                   {"hunter2\nX-Evil: 1\n", 0o600, "", "more than one line"},
		"as large as it may be":                       {strings.Repeat("x", maxBytes), 0o600, strings.Repeat("x", maxBytes), ""},
		"larger":                                      {strings.Repeat("x", maxBytes+1), 0o600, "", "more than 65536 bytes"},
	} {
		line, err := Line(write(t, c.content, c.mode))
		if line != c.line || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %d bytes, %v", name, len(line), err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the secret is in %q", name, err)
		}
	}
	if _, err := File(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func TestLines(t *testing.T) {
	var got []string
	for n, line := range Lines("# of 2026\none\n\n  two \r\n#three\nfour") {
		got = append(got, string(rune('0'+n))+line)
	}
	if s := strings.Join(got, " "); s != "2one 4two 6four" {
		t.Error(s)
	}
}

func TestOneOf(t *testing.T) {
	env := map[string]string{"KEY_FILE": " /a ", "KEY_COMMAND": "\n"}
	getenv := func(n string) string { return env[n] }
	if name, value, err := OneOf(getenv, "KEY_FILE", "KEY", "KEY_COMMAND"); name != "KEY_FILE" || value != "/a" || err != nil {
		t.Error(name, value, err)
	}
	if name, _, err := OneOf(getenv, "KEY"); name != "" || err != nil {
		t.Error(name, err)
	}
	env["KEY"] = "hunter2"
	if _, _, err := OneOf(getenv, "KEY_FILE", "KEY", "KEY_COMMAND"); err == nil || err.Error() != "KEY_FILE and KEY are set; want one of them" {
		t.Error(err)
	}
}

func TestCommand(t *testing.T) {
	if text, err := Command("echo hunter2 and more"); text != "hunter2 and more\n" || err != nil {
		t.Error(text, err)
	}
	if _, err := Command("ls /there/is/no/such/file"); err == nil || !strings.Contains(err.Error(), "/there/is/no/such/file") {
		t.Errorf("what the command has said is not in %v", err)
	}
	if text, err := Command("yes hunter2"); text != "" || err == nil || !strings.Contains(err.Error(), "writes more than 65536 bytes") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("without an end: %d bytes, %v", len(text), err)
	}
	if _, err := Output(50*time.Millisecond, nil, "sleep", "60"); err == nil || !strings.Contains(err.Error(), "sleep has not ended after 50ms") {
		t.Errorf("too slow: %v", err)
	}
	if out, err := Output(time.Minute, []byte("x"), "cat"); string(out) != "x" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	for _, words := range []string{" ", "/there/is/no/such/program"} {
		if _, err := Command(words); err == nil {
			t.Errorf("%q was run", words)
		}
	}
}
