package s3

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/tools"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	accessKey = "panel"
	secretKey = "only-for-this-test"
	name      = "panel-checkpoints"
)

// startServer starts an S3 server over a folder and makes a bucket with object
// lock.
func startServer(t *testing.T) (endpoint string, client *minio.Client) {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := tools.Find(root, "versitygw")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"data", "versions", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint = l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(bin, "--port", endpoint, "--quiet", "posix", "--sidecar", filepath.Join(dir, "meta"), "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	cmd.Stdout, cmd.Stderr = log, log
	childproc.Bind(cmd, syscall.SIGKILL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the server said\n%s", text)
		}
	})
	client, err = minio.New(endpoint, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.MakeBucket(ctx, name, minio.MakeBucketOptions{ObjectLocking: true})
		if err == nil {
			return endpoint, client
		}
		select {
		case <-ctx.Done():
			t.Fatalf("making the bucket: %v", err)
		case <-tick.C:
		}
	}
}

func TestBucket(t *testing.T) {
	endpoint, client := startServer(t)
	b, err := New(Config{Endpoint: endpoint, Bucket: name, Retention: 24 * time.Hour, Insecure: true, Credentials: credentials.NewStaticV4(accessKey, secretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	tree := proof.NewTree()
	var want []string
	for range 3 {
		for range 5 {
			h, _ := proof.Leaf("{}", 1, rand.Text(), nil)
			tree.Append(h)
		}
		c := tree.Checkpoint(proof.OriginPrefix+"a", time.Now())
		signed, err := c.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Anchor(t.Context(), signed); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(signed))
	}
	read := func() (got []string) {
		for text, err := range b.Checkpoints(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(text))
		}
		return got
	}
	if got := read(); !slices.Equal(got, want) {
		t.Errorf("read back %q\nwant %q", got, want)
	}
	// Who has the panel's rights can neither delete a checkpoint nor replace it.
	first := "checkpoints/a/00000000000000000005"
	info, err := client.StatObject(t.Context(), name, first, minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RemoveObject(t.Context(), name, first, minio.RemoveObjectOptions{VersionID: info.VersionID, GovernanceBypass: true}); err == nil {
		t.Error("a checkpoint could be deleted")
	}
	if _, err := client.PutObject(t.Context(), name, first, strings.NewReader("harmless"), 8, minio.PutObjectOptions{SendContentMd5: true}); err == nil {
		t.Log("another version could be added")
	}
	_ = client.RemoveObject(t.Context(), name, first, minio.RemoveObjectOptions{}) // hides it, no more
	got := read()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("it is gone: %q", w)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Endpoint: "s3.example.com", Bucket: "b", Retention: 48 * time.Hour}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*Config){
		"Endpoint":  func(c *Config) { c.Endpoint = "https://s3.example.com" },
		"Bucket":    func(c *Config) { c.Bucket = "" },
		"Retention": func(c *Config) { c.Retention = time.Hour },
		"Insecure":  func(c *Config) { c.Insecure = true },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
