package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"go.yaml.in/yaml/v3"
)

// release is what the tests want to know of .goreleaser.yaml. A field that stands
// there and not here is a mistake, or something to test.
type release struct {
	Version     int    `yaml:"version"`
	ProjectName string `yaml:"project_name"`
	Before      struct {
		Hooks []string `yaml:"hooks"`
	} `yaml:"before"`
	Builds []struct {
		Dir          string   `yaml:"dir"`
		Binary       string   `yaml:"binary"`
		Env          []string `yaml:"env"`
		Flags        []string `yaml:"flags"`
		Ldflags      []string `yaml:"ldflags"`
		ModTimestamp string   `yaml:"mod_timestamp"`
		Goos         []string `yaml:"goos"`
		Goarch       []string `yaml:"goarch"`
	} `yaml:"builds"`
	Archives []struct {
		Formats   []string  `yaml:"formats"`
		Overrides yaml.Node `yaml:"format_overrides"`
		Files     []any     `yaml:"files"`
	} `yaml:"archives"`
	Nfpms []struct {
		Formats      []string       `yaml:"formats"`
		Maintainer   string         `yaml:"maintainer"`
		Description  string         `yaml:"description"`
		Homepage     string         `yaml:"homepage"`
		License      string         `yaml:"license"`
		Section      string         `yaml:"section"`
		Dependencies []string       `yaml:"dependencies"`
		Recommends   []string       `yaml:"recommends"`
		Contents     files.Contents `yaml:"contents"`
		Scripts      nfpm.Scripts   `yaml:"scripts"`
	} `yaml:"nfpms"`
	SBOMs []struct {
		Cmd       string   `yaml:"cmd"`
		Artifacts string   `yaml:"artifacts"`
		Documents []string `yaml:"documents"`
		Args      []string `yaml:"args"`
	} `yaml:"sboms"`
	Checksum map[string]string `yaml:"checksum"`
	Signs    []struct {
		Cmd       string   `yaml:"cmd"`
		Artifacts string   `yaml:"artifacts"`
		Signature string   `yaml:"signature"`
		Args      []string `yaml:"args"`
		Output    bool     `yaml:"output"`
	} `yaml:"signs"`
	Release struct {
		GitHub     map[string]string `yaml:"github"`
		Prerelease string            `yaml:"prerelease"`
	} `yaml:"release"`
}

const root = "../.."

func readRelease(t *testing.T) release {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var r release
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	decoder.KnownFields(true)
	if err := decoder.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs a command from the repository's root.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestDebianPackage builds the package as a release does, and looks into it.
func TestDebianPackage(t *testing.T) {
	r := readRelease(t)
	if len(r.Before.Hooks) != 1 || len(r.Nfpms) != 1 {
		t.Fatalf("hooks %q, %d packages; the test knows of one of each", r.Before.Hooks, len(r.Nfpms))
	}
	run(t, r.Before.Hooks[0])
	from := r.Nfpms[0]
	contents := append(slices.Clone(from.Contents), &files.Content{ // goreleaser adds what it has built
		Source: "deploy/package/made/adminsessions", Destination: "/usr/bin/adminsessions", FileInfo: &files.ContentFileInfo{Mode: 0o755}})
	t.Chdir(root)
	info := nfpm.WithDefaults(&nfpm.Info{Name: r.ProjectName, Arch: "amd64", Version: "0.0.1", Maintainer: from.Maintainer, Description: from.Description,
		Homepage: from.Homepage, License: from.License, Section: from.Section,
		Overridables: nfpm.Overridables{Depends: from.Dependencies, Recommends: from.Recommends, Contents: contents, Scripts: from.Scripts}})
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "adminsessions.deb")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := deb.Default.Package(info, f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	list := output(t, "dpkg-deb", "--contents", name)
	for _, want := range []string{
		`-rwxr-xr-x root/root .* \./usr/bin/adminsessions\n`,
		`-rw-r--r-- root/root .* \./usr/lib/systemd/system/adminsessions\.service\n`,
		`-rw-r--r-- root/root .* \./usr/lib/systemd/system/adminsessions-verify\.service\n`,
		`-rw-r----- root/root .* \./etc/adminsessions/proxy\.yaml\n`,
		`\./etc/default/adminsessions-verify\n`,
		`\./etc/default/adminsessions\n`, `\./usr/share/man/man1/adminsessions\.1\.gz\n`,
		`\./usr/share/bash-completion/completions/adminsessions\n`, `\./usr/share/zsh/vendor-completions/_adminsessions\n`,
		`\./usr/share/fish/vendor_completions\.d/adminsessions\.fish\n`, `\./usr/share/doc/adminsessions/copyright\n`,
	} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("%s is not in the package:\n%s", want, list)
		}
	}
	unpacked := t.TempDir()
	output(t, "dpkg-deb", "--raw-extract", name, unpacked)
	conffiles, err := os.ReadFile(filepath.Join(unpacked, "DEBIAN", "conffiles"))
	if err != nil || !strings.Contains(string(conffiles), "/etc/adminsessions/proxy.yaml\n") {
		t.Errorf("an upgrade would replace the configuration: %q, %v", conffiles, err)
	}
	if text, err := os.ReadFile(filepath.Join(unpacked, "usr/share/doc/adminsessions/copyright")); err != nil ||
		!strings.HasPrefix(string(text), "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n") || !strings.Contains(string(text), "\nFiles: std/*\n") {
		t.Errorf("the file copyright is not Debian's, or does not tell what is linked: %.200s, %v", text, err)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		output(t, "sh", "-n", filepath.Join(unpacked, "DEBIAN", script))
	}

	// What it installs works.
	program := filepath.Join(unpacked, "usr/bin/adminsessions")
	if out := output(t, program, "version"); !strings.HasPrefix(out, "adminsessions ") {
		t.Errorf("version %q", out)
	}
	if file, err := exec.LookPath("file"); err == nil {
		if out := output(t, file, program); !strings.Contains(out, "statically linked") {
			t.Errorf("not a static program: %s", out)
		}
	}
	check := exec.Command(program, "proxy", "check", "--config", filepath.Join(unpacked, "etc/adminsessions/proxy.yaml"))
	check.Env = append(os.Environ(), "ADMINSESSIONS_SPOOL_DIR="+t.TempDir())
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("the configuration it comes with: %v\n%s", err, out)
	}
	verifyUnit(t, unpacked, "adminsessions.service", "StateDirectory=adminsessions", "ExecStart=/usr/bin/adminsessions proxy\n", "Environment=ADMINSESSIONS_SPOOL_DIR=%S/adminsessions/spool")
	verifyUnit(t, unpacked, "adminsessions-verify.service", "StateDirectory=adminsessions-verify", "ExecStart=/usr/bin/adminsessions verify --every ", "DynamicUser=yes")
	verifyOptions(t, unpacked)
}

// verifyOptions looks whether the program knows the options of the unit that
// verifies, and those that its environment suggests.
func verifyOptions(t *testing.T, unpacked string) {
	t.Helper()
	program := filepath.Join(unpacked, "usr/bin/adminsessions")
	help := output(t, program, "verify", "--help")
	for _, name := range []string{"usr/lib/systemd/system/adminsessions-verify.service", "etc/default/adminsessions-verify"} {
		b, err := os.ReadFile(filepath.Join(unpacked, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range regexp.MustCompile(`[ =](--[a-z-]+)`).FindAllStringSubmatch(string(b), -1) {
			if !strings.Contains(help, option[1]) {
				t.Errorf("%s: verify has no %s", name, option[1])
			}
		}
	}
	// Without a key it ends with 2, after which it is not started again.
	cmd := exec.Command(program, "verify", "--every", "1h", "--metrics-listen", "127.0.0.1:0")
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "need --key") {
		t.Errorf("without a key: %v\n%s", err, out)
	}
}

// verifyUnit has systemd read a unit, as it stands in the folder.
func verifyUnit(t *testing.T, unpacked, name string, wanted ...string) {
	t.Helper()
	unit := filepath.Join(unpacked, "usr/lib/systemd/system", name)
	b, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append(wanted, "StateDirectoryMode=0700", "NoNewPrivileges=yes", "ProtectSystem=strict") {
		if !strings.Contains(string(b), want) {
			t.Errorf("the unit has no %s", want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // the rest of this test is what there is without systemd
	}
	// Where the unit is read, its program is.
	here := filepath.Join(t.TempDir(), name)
	local := strings.ReplaceAll(string(b), "/usr/bin/adminsessions", filepath.Join(unpacked, "usr/bin/adminsessions"))
	local = regexp.MustCompile(`(?m)^(Documentation|After|Wants)=.*\n`).ReplaceAllString(local, "")
	if err := os.WriteFile(here, []byte(local), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := output(t, analyze, "verify", "--man=no", here); out != "" {
		t.Errorf("systemd says of the unit: %s", out)
	}
	level := output(t, analyze, "security", "--offline=true", "--threshold=20", here)
	if !strings.Contains(level, "Overall exposure level") {
		t.Errorf("%s", level)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRelease holds what is built for whom against what is said.
func TestRelease(t *testing.T) {
	r := readRelease(t)
	b := r.Builds[0]
	if r.Version != 2 || len(r.Builds) != 1 || b.Dir != "cmd/adminsessions" || !slices.Contains(b.Env, "CGO_ENABLED=0") ||
		!slices.Equal(b.Goos, []string{"linux", "darwin", "windows"}) || !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) {
		t.Errorf("builds %+v", r.Builds)
	}
	if !strings.Contains(strings.Join(b.Ldflags, " "), "-X main.commit=") {
		t.Errorf("the version has no commit: %q", b.Ldflags)
	}
	// The sums are of all that is made, and the signature is of the sums.
	if len(r.SBOMs) != 1 || len(r.Signs) != 1 || r.Signs[0].Artifacts != "checksum" {
		t.Errorf("bills of materials %+v, signatures %+v", r.SBOMs, r.Signs)
	}
	for _, f := range r.Archives[0].Files {
		if name, ok := f.(string); ok {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestImage holds the Dockerfile against the repository: what it copies is there and
// is not kept from the build.
func TestImage(t *testing.T) {
	b, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{"\nFROM scratch\n", "\nUSER 65532:65532\n", "CGO_ENABLED=0", "ca-certificates.crt", `ENTRYPOINT ["/usr/bin/adminsessions"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile has no %s", want)
		}
	}
	version, err := os.ReadFile(filepath.Join(root, "examples/adminpanel/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	from := regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(golang:\S+)`)
	if got, want := from.FindStringSubmatch(text), from.FindStringSubmatch(string(version)); len(got) != 2 || len(want) != 2 || got[1] != want[1] {
		t.Errorf("%q here, %q for the demo's panel", got, want)
	}
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(ignored)) {
		if line = strings.TrimSpace(line); line == "cmd" || line == "policy" || line == "deploy" {
			t.Errorf("%s is kept from the build", line)
		}
	}
}
