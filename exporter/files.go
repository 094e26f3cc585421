package exporter

import (
	"io"
	"os"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// openRegular opens a file of the spool's folder that is not the spool's own.
func openRegular(path string, flag int) (*os.File, error) { return spool.OpenPlain(path, flag) }

func readRegular(path string) ([]byte, error) {
	f, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
