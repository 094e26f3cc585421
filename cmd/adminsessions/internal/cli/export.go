package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

type exportCommand struct {
	Query
	Out    string `name:"out" short:"o" type:"path" placeholder:"FILE" help:"Write to this file, which is there only when it is whole; default standard output."`
	Format string `enum:"csv,ndjson,auto" default:"auto" placeholder:"FORM" help:"csv, for spreadsheets, or ndjson, for programs. Default: as the file's name ends, else ndjson."`
	Resume bool   `help:"Go on where an export to the same file, of the same query, was broken off."`
	Force  bool   `help:"Replace the file, and what is left of an export that was broken off."`
	From   string `default:"24h" placeholder:"TIME" help:"From when on, as for search. Default: ${default} ago."`
	To     string `default:"now" placeholder:"TIME" help:"Until when. Default: now."`
	UTC    bool   `name:"utc" help:"Read times in UTC instead of the local time zone."`
	Trail
}

// Run exports events, the oldest first.
func (c *exportCommand) Run(ctx context.Context, w *World) error {
	store, f, window, err := question(w, &c.Query, &Range{From: c.From, To: c.To}, (&Output{UTC: c.UTC}).zone(), &c.Trail)
	if err != nil {
		return err
	}
	format := c.format()
	if c.Out == "" {
		if c.Resume || c.Force {
			return usage("--resume and --force need a file: give --out FILE")
		}
		return c.toStdout(ctx, w, store, trail.Walk{Filter: f, Window: window, Forward: true, Batch: exportBatch}, format)
	}
	job := exportJob{Query: strings.Join(c.Query.Query, " "), Looks: c.Looks, Format: format.Name,
		Services: c.Services, Environments: c.Environments, From: window.From, To: window.To}
	p, err := openPartial(c.Out, job, c.Resume, c.Force)
	if err != nil {
		return err
	}
	defer p.close()
	return c.toFile(ctx, w, store, f, p, format)
}

// exportBatch is how many events are asked for at a time, and written before what
// is done is noted.
const exportBatch = trail.MaxBatch / 2

func (c *exportCommand) format() export.Format {
	csv := c.Format == "csv" || c.Format == "auto" && strings.EqualFold(filepath.Ext(c.Out), ".csv")
	if csv {
		return export.CSV()
	}
	return export.NDJSON()
}

func (c *exportCommand) toStdout(ctx context.Context, w *World, store *trail.Store, walk trail.Walk, format export.Format) error {
	buffer := bufio.NewWriterSize(w.Stdout, 64<<10)
	out, told := format.NewWriter(buffer), newProgress(w)
	defer told.clear()
	n := 0
	walk.Progress = func(done float64, _ trail.Cursor) { told.tell("exported %d events, %.0f %%", n, 100*done) }
	err := out.Start()
	for e, werr := range store.Walk(ctx, walk) {
		if err == nil {
			err = werr
		}
		if err == nil {
			err = out.Write(&e)
		}
		if err != nil {
			break
		}
		n++
	}
	told.clear()
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil {
		return failed(ctx, "exporting", err)
	}
	if n == 0 {
		fmt.Fprintln(w.Stderr, "nothing found")
		return nothing()
	}
	return nil
}

func (c *exportCommand) toFile(ctx context.Context, w *World, store *trail.Store, f trail.Filter, p *partial, format export.Format) error {
	told := newProgress(w)
	defer told.clear()
	buffer := bufio.NewWriterSize(p.file, 256<<10)
	out := format.NewWriter(buffer)
	// A place is noted when everything up to it is in the file.
	var noting error
	walk := trail.Walk{Filter: f, Window: trail.Window{From: p.job.From, To: p.job.To}, Forward: true, Past: p.place, Batch: exportBatch}
	walk.Progress = func(done float64, place trail.Cursor) {
		told.tell("exported %d events, %.0f %%, up to %s", p.job.Events, 100*done, place.Time().Format("2006-01-02 15:04"))
		if noting == nil {
			noting = flush(out, buffer)
		}
		if noting == nil {
			noting = p.note(place)
		}
	}
	err := error(nil)
	if p.job.Events == 0 && p.place.IsZero() {
		err = out.Start()
	}
	if err == nil {
		for e, werr := range store.Walk(ctx, walk) {
			if err = werr; err == nil {
				err = noting
			}
			if err == nil {
				err = out.Write(&e)
			}
			if err != nil {
				break
			}
			p.job.Events++
		}
	}
	told.clear()
	if err == nil {
		err = noting
	}
	if err == nil {
		err = flush(out, buffer)
	}
	if err == nil {
		err = p.finish()
	}
	switch {
	case err != nil:
		fmt.Fprintf(w.Stderr, "what is exported so far is kept in %s; the same command with --resume goes on from there\n", p.name)
		return failed(ctx, "exporting", err)
	case p.job.Events == 0:
		fmt.Fprintf(w.Stderr, "nothing found; %s holds no events\n", c.Out)
		return nothing()
	}
	fmt.Fprintf(w.Stderr, "%s in %s\n", plural(uint64(p.job.Events), "event"), c.Out)
	return nil
}

func flush(out export.Writer, buffer *bufio.Writer) error {
	if err := out.Flush(); err != nil {
		return err
	}
	return buffer.Flush()
}

// removeIfThere removes a file.
func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
