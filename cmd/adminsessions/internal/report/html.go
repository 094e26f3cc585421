package report

import (
	_ "embed"
	"html/template"
	"io"
	"time"
)

//go:embed report.html
var page string

// HTML writes the report as one document that needs nothing else, for a mail or a
// browser.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{"when": isTime}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*Report
		Sections []section
	}{r, r.sections()})
}

// isTime reports whether a cell is a time, which is not to be broken.
func isTime(cell string) bool {
	_, err := time.Parse(clock, cell)
	return err == nil
}
