package pipeline

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/proof"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random choices; 0 takes one from the clock")

// TestMain is also the beginning of the sending process: see sender_test.go.
func TestMain(m *testing.M) {
	if config, ok := os.LookupEnv(senderEnv); ok {
		if err := send(config); err != nil {
			fmt.Fprintln(os.Stderr, "sender:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "keys")
	if err == nil {
		err = os.Setenv(keyEnv, filepath.Join(dir, "key"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// keyEnv names the file of the key that signs the checkpoints of all these tests,
// in this process and in the sending ones.
const keyEnv = "ADMINSESSIONS_TEST_KEY_FILE"

func keys() []*proof.Key {
	keys, err := proof.MakeKeyFile(os.Getenv(keyEnv), "pipeline")
	if err != nil {
		panic(err)
	}
	return keys
}

// random returns the test's source of random choices.
func random(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -seed)", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// startLoki starts a Loki with the project's configuration.
func startLoki(t testing.TB, opts ...lokitest.Option) *lokitest.Server {
	t.Helper()
	return lokitest.Start(t, opts...)
}

// await waits until ok returns true, and fails the test if that takes longer
// than a minute.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited a minute in vain for %s", what)
		case <-tick.C:
		}
	}
}
