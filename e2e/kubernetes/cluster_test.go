//go:build kubernetes

package kubernetes

import "testing"

func TestCluster(t *testing.T) {
	c := startCluster(t)
	_ = c
}
