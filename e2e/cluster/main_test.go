package cluster

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var (
	soak = flag.Duration("soak", 0, "how long to go on; 0 is one round of what can be done in a minute or two")
	rate = flag.Int("rate", 500, "events a second of each panel")
)

// TestMain is also the beginning of a panel's process: see panel_test.go.
func TestMain(m *testing.M) {
	if config, ok := os.LookupEnv(panelEnv); ok {
		if err := record(config); err != nil {
			fmt.Fprintln(os.Stderr, "panel:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// spell is how long panels go on between two faults.
func spell() time.Duration {
	if *soak > 0 {
		return 10 * time.Second
	}
	return 2 * time.Second
}
