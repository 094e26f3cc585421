package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/gendoc"
)

var update = flag.Bool("update", false, "write the help pages in docs/cli.md anew")

// lokiFlags are in a table of docs/cli.md instead.
var lokiFlags = regexp.MustCompile(`(?s)\nHow Loki is reached\n.*`)

// TestDocumentedHelp holds the help pages in docs/cli.md against the program's, and
// wants one of every command.
func TestDocumentedHelp(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	const file = "../../docs/cli.md"
	documented := map[string]bool{}
	gendoc.Check(t, file, *update, func(name string) string {
		command := strings.TrimPrefix(name, "help: ")
		documented[command] = true
		status, help, errs := try(t, append(strings.Fields(command), "--help")...)
		if status != exitOK {
			t.Fatalf("%s --help: status %d, %s", command, status, errs)
		}
		help = lokiFlags.ReplaceAllString(help, "\nand the flags that say how Loki is reached\n")
		return "```\n" + help + "```\n"
	})
	_, all, _ := try(t, "--help")
	for _, line := range regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)  `).FindAllStringSubmatch(all, -1) {
		switch command := line[1]; strings.Fields(command)[0] {
		case "proxy", "policy", "completion", "man", "version": // have pages of their own, or none
		default:
			if !documented[command] {
				t.Errorf("%s has no page for %q", file, command)
			}
		}
	}
}

// TestTheManualPage looks for what a manual page needs, and holds docs/cli.md
// against its statuses.
func TestTheManualPage(t *testing.T) {
	status, page, errs := try(t, "man")
	if status != exitOK || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, want := range []string{".TH ADMINSESSIONS 1", ".SS adminsessions search", ".SS adminsessions quarantine drop", `.B \-\-loki\-url=URL`, ".SH \"EXIT STATUS\"", ".B 130", "ADMINSESSIONS_SPOOL_DIR"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the manual page", want)
		}
	}
	if strings.Count(page, `.B \-\-loki\-url=URL`) != 1 {
		t.Error("the flags that say how Loki is reached stand there more than once")
	}
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range regexp.MustCompile(`(?m)^\.B (\d+)$`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(string(b), "| "+s[1]+" | ") {
			t.Errorf("status %s is not in docs/cli.md", s[1])
		}
	}
}

// TestCompletion completes words.
func TestCompletion(t *testing.T) {
	for words, want := range map[string]string{
		"sea":                     "search",
		"quarantine ":             "drop ls retry",
		"spool st":                "stat",
		"search --col":            "--color",
		"search --color ":         "always auto never",
		"search --color=n":        "--color=never",
		"export --format ":        "auto csv ndjson",
		"search --loki-ca-file ":  ":files",
		"export -o ":              ":files",
		"spool ls ":               ":files",
		"completion ":             "bash fish zsh",
		"search --nonsense ":      "",
		"report --period=":        "--period=day --period=month --period=week",
		"search --loki-password":  "--loki-password-file",
		"search free --json --ol": "--oldest",
	} {
		_, out, _ := try(t, append([]string{"complete", "--"}, strings.Split(words, " ")...)...)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if s := strings.Join(sorted(got), " "); s != want {
			t.Errorf("%q: %q, want %q", words, s, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if status, out, _ := try(t, "completion", shell); status != exitOK || !strings.Contains(out, "adminsessions complete -- ") {
			t.Errorf("%s: status %d, %q", shell, status, out)
		}
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// TestDocumentedPlans holds the plans in docs/capacity.md against the program's.
func TestDocumentedPlans(t *testing.T) {
	const file = "../../docs/capacity.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plan := func(args string, more ...string) string {
		status, out, errs := try(t, append(append([]string{"plan"}, strings.Fields(args)...), more...)...)
		if status != exitOK {
			t.Fatalf("plan %s: status %d, %s", args, status, errs)
		}
		return out
	}
	// Whole plans, and tables with a plan a row.
	whole := regexp.MustCompile("(?s)```console\n\\$ adminsessions plan ([^\n]+)\n.*?```")
	row := regexp.MustCompile(`(?m)^\| .* \| ` + "`(--events [^`]+)` \\|$")
	if !whole.Match(b) || !row.Match(b) {
		t.Fatalf("%s has no plans", file)
	}
	want := whole.ReplaceAllStringFunc(string(b), func(s string) string {
		args := whole.FindStringSubmatch(s)[1]
		return "```console\n$ adminsessions plan " + args + "\n" + plan(args) + "```"
	})
	want = row.ReplaceAllStringFunc(want, func(s string) string {
		args := row.FindStringSubmatch(s)[1]
		return planRow(t, plan(args, "--json")) + "`" + args + "` |"
	})
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(b) {
		t.Errorf("%s does not have what the program says; run go test . -run Documented -update", file)
	}
}

// planRow is a plan as a row of a table.
func planRow(t *testing.T, document string) string {
	t.Helper()
	var p struct {
		EventsPerDay float64 `json:"events_per_day"`
		Panels       float64 `json:"panels"`
		Pushes       float64 `json:"peak_pushes_per_second"`
		Cores        float64 `json:"peak_cores"`
		Memory       float64 `json:"ingester_memory_bytes"`
		WAL          float64 `json:"wal_bytes"`
		Limit        float64 `json:"spool_limit_bytes"`
		Chunks       float64 `json:"chunks_per_day"`
		Bytes        float64 `json:"bucket_bytes"`
		Disk         float64 `json:"disk_bytes"`
	}
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		t.Fatal(err)
	}
	size := func(n float64) string {
		for _, unit := range []string{"MB", "GB", "TB"} {
			if n /= 1000; n < 1e6 {
				return strings.TrimSuffix(fmt.Sprintf("%.3g", n/1000), "e+03") + " " + unit
			}
		}
		return fmt.Sprintf("%.3g PB", n/1e6)
	}
	count := func(n float64) string {
		switch {
		case n < 0.01:
			return "< 0.01"
		case n < 10:
			return fmt.Sprintf("%.2g", n)
		}
		digits := fmt.Sprintf("%.0f", n)
		for i := len(digits) - 3; i > 0; i -= 3 {
			digits = digits[:i] + "," + digits[i:]
		}
		return digits
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | ", count(p.EventsPerDay/86400), count(p.Panels), count(p.Pushes), count(p.Cores),
		size(p.Memory), size(p.WAL), size(p.Limit), count(p.Chunks), size(p.Bytes), size(p.Disk))
}
