//go:build !unix

package spool

import (
	"errors"
	"fmt"
	"io"
)

// Lock is not supported, and a spool without it could be written by two
// processes; so there is none.
func (osFS) Lock(string) (io.Closer, error) {
	return nil, fmt.Errorf("the spool needs flock, which this system does not have: %w", errors.ErrUnsupported)
}
