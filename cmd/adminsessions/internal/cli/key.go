package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adminsessions/adminsessions/proof"
)

type keyCommand struct {
	File string `arg:"" type:"path" help:"The file of the private key, readable by its owner only. The public key goes into FILE.pub."`
	Name string `placeholder:"NAME" help:"The key's name, which stands in every checkpoint: one for each key, such as panel.example-2026. Default: the file's."`
}

// Run makes a key and prints its public half. It replaces none.
func (c *keyCommand) Run(w *World) error {
	if _, err := os.Lstat(c.File); !errors.Is(err, fs.ErrNotExist) {
		return usage("%s is there already; want a new file: a key that is overwritten is lost", c.File)
	}
	name := c.Name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File))
	}
	keys, err := proof.MakeKeyFile(c.File, name)
	if err != nil {
		return usage("%w", err)
	}
	_, err = fmt.Fprintln(w.Stdout, keys[0].Public())
	return err
}
