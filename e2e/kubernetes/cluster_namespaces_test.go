//go:build kubernetes

package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/adminsessions/adminsessions/internal/tools"
)

// The tests run in namespaces of their own: processes, network, mounts. A cluster so
// has all its ports and rules to itself, changes nothing of the machine's, and ends
// with the test, however that ends. The first process makes the namespaces, the
// second is their init and adopts what containers leave behind, the third is the test.
const (
	stage   = "ADMINSESSIONS_TEST_STAGE"
	stayDir = "ADMINSESSIONS_TEST_DIR" // what is on disk while they run
)

func TestMain(m *testing.M) {
	var status int
	var err error
	switch os.Getenv(stage) {
	case "":
		if why := missing(); why != "" {
			fmt.Fprintf(os.Stderr, "a cluster can't be tried here: %s\n", why)
			return
		}
		status, err = separate()
	case "init":
		status, err = reap()
	default:
		status = m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		status = 1
	}
	os.Exit(status)
}

// missing tells what there is not of what can't be built here.
func missing() string {
	if os.Getuid() != 0 {
		return "it needs root"
	}
	for _, program := range []string{"runc", "iptables", "conntrack", "ip", "busybox", "nginx"} {
		if _, err := lookUp(program); err != nil {
			return err.Error()
		}
	}
	if _, err := os.Stat(filepath.Join(plugins(), "bridge")); err != nil {
		return "it needs the CNI plugins: " + err.Error()
	}
	return ""
}

// plugins is the folder of the CNI plugins.
func plugins() string {
	const theirs = "/opt/cni/bin"
	if _, err := os.Stat(theirs); err == nil {
		return theirs
	}
	return "/usr/lib/cni" // Debian's
}

func lookUp(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("it needs %s", name)
}

// separate runs the tests in namespaces, and removes what they leave on disk.
func separate() (int, error) {
	dir, err := os.MkdirTemp("", "kubernetes")
	if err != nil {
		return 0, err
	}
	group := cgroup(dir)
	defer func() {
		_ = os.RemoveAll(dir)
		removeGroups(group)
	}()
	for _, path := range hierarchies(group) {
		if err := os.Mkdir(path, 0o755); err != nil {
			return 0, err
		}
	}
	if err := errors.Join(buildPrograms(dir), writeDefinitions(dir)); err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stage+"=init", stayDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

// buildPrograms builds what goes into images, while there is a network for modules.
func buildPrograms(dir string) error {
	for name, from := range map[string]string{"adminsessions": "cmd/adminsessions", "adminpanel": "examples/adminpanel"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), ".")
		cmd.Dir = filepath.Join("..", "..", filepath.FromSlash(from))
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", from, err, out)
		}
	}
	return nil
}

// writeDefinitions writes the Prometheus operator's definitions of its kinds, made
// from its types at the version that this module requires.
func writeDefinitions(dir string) error {
	at, err := tools.Root()
	if err != nil {
		return err
	}
	generator, err := tools.Find(at, "controller-gen")
	if err != nil {
		return fmt.Errorf("%w (make kubernetes)", err)
	}
	if out, err := exec.Command(generator, "crd", "paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1",
		"output:crd:dir="+filepath.Join(dir, "definitions")).CombinedOutput(); err != nil {
		return fmt.Errorf("make the Prometheus operator's definitions: %w\n%s", err, out)
	}
	return nil
}

// cgroup is below which the cluster's containers are, named after its folder.
func cgroup(dir string) string { return "adminsessions-" + filepath.Base(dir) }

// hierarchies are where that is: in each of the hierarchies, or in the one.
func hierarchies(name string) []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{filepath.Join("/sys/fs/cgroup", name)}
	}
	all, _ := filepath.Glob("/sys/fs/cgroup/*")
	for i := range all {
		all[i] = filepath.Join(all[i], name)
	}
	return all
}

// removeGroups removes the control groups of a cluster whose processes have ended.
func removeGroups(group string) {
	for _, root := range hierarchies(group) {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := range dirs {
			_ = os.Remove(dirs[len(dirs)-1-i])
		}
	}
}

// reap prepares the namespaces, runs the tests in them and waits for everything
// that ends there.
func reap() (int, error) {
	dir := os.Getenv(stayDir)
	if err := prepareMounts(dir); err != nil {
		return 0, err
	}
	// An address that is not loopback's, for the node and the API server.
	for _, args := range []string{
		"link set lo up", "link add node type bridge", "addr add " + nodeAddress + "/24 dev node", "link set node up", "route add default dev node",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return 0, err
	}
	if err := syscall.Sethostname([]byte(nodeName)); err != nil {
		return 0, err
	}
	if err := os.Setenv(stage, "test"); err != nil {
		return 0, err
	}
	test, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the tests: %w", err)
		case pid == test.Pid:
			if status.Signaled() {
				return 1, fmt.Errorf("the tests were ended by %s", status.Signal())
			}
			return status.ExitStatus(), nil
		}
	}
}

// prepareMounts makes the mounts the tests' own, and gives them folders of their own
// where programs insist on a path.
func prepareMounts(dir string) error {
	mount := func(source, target, fstype string, flags uintptr) error {
		if err := syscall.Mount(source, target, fstype, flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
		return nil
	}
	// What is mounted inside stays inside, and is seen by the kubelet and its containers.
	if err := errors.Join(
		mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC),
		mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC),
		mount("proc", "/proc", "proc", 0),
		mount("run", "/run", "tmpfs", 0),
	); err != nil {
		return err
	}
	for _, path := range []string{"/var/lib", "/var/log"} {
		own := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(own, 0o755), mount(own, path, "", syscall.MS_BIND)); err != nil {
			return err
		}
	}
	return nil
}
