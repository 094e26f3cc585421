//go:build !linux

package pipeline

import (
	"errors"
	"testing"
)

func mountTmpfs(*testing.T, string, int) error { return errors.ErrUnsupported }
