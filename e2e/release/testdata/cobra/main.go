// A command of a panel, with cobra.
package main

import (
	"context"
	"log"

	"github.com/spf13/cobra"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	adminsessionscobra "github.com/adminsessions/adminsessions/instrumentation/cobra"
)

func main() {
	exp, err := exporter.New(exporter.WithSpoolDir("spool"))
	if err != nil {
		log.Fatal(err)
	}
	provider := exp.LoggerProvider()
	recorder, err := instrumentation.NewRecorder(instrumentation.WithLoggerProvider(provider))
	if err != nil {
		log.Fatal(err)
	}
	root := &cobra.Command{Use: "panelctl"}
	root.AddCommand(&cobra.Command{Use: "suspend CLIENT", Args: cobra.ExactArgs(1), Run: func(*cobra.Command, []string) {}})
	adminsessionscobra.Wrap(root, recorder, nil)
	err = root.ExecuteContext(context.Background())
	if serr := provider.Shutdown(context.Background()); serr != nil {
		log.Print(serr)
	}
	if err != nil {
		log.Fatal(err)
	}
}
