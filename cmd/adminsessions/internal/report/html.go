package report

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed report.html
var page string

// HTML writes the report as one document that needs nothing else, for a mail or a
// browser.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*Report
		Sections []section
	}{r, r.sections()})
}
