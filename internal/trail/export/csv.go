package export

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/text"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// csvLabels are the index labels that are columns of the CSV file.
var csvLabels = []string{"service_name", "deployment_environment_name", "service_instance_id", "audit_log_id"}

// csvWriter writes events for a spreadsheet: a column for each field of a line,
// one for what was changed and one for the application's own attributes, as JSON,
// one for the whole line of what is no event, and those of the index labels.
type csvWriter struct {
	w      io.Writer
	out    *csv.Writer
	record []string
}

func newCSVWriter(w io.Writer) *csvWriter {
	c := &csvWriter{w: w, out: csv.NewWriter(w)}
	c.out.UseCRLF = true
	return c
}

func (c *csvWriter) Start() error {
	// Spreadsheets take a file without the mark for one of the machine's own old
	// encoding.
	if _, err := io.WriteString(c.w, "\uFEFF"); err != nil {
		return err
	}
	header := []string{"time_utc"}
	for f := range adminsessions.Fields() {
		if f.Name != "" {
			header = append(header, f.Name)
		}
	}
	header = append(header, "changes", "seq", "attributes", "line")
	return c.out.Write(append(header, csvLabels...))
}

func (c *csvWriter) Write(e *trail.Event) error {
	c.record = append(c.record[:0], e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"))
	cell := func(s string) { c.record = append(c.record, safeCell(strings.Map(shown, s))) }
	for f := range adminsessions.Fields() {
		switch {
		case f.Name == "":
		case e.Unreadable:
			cell("")
		default:
			cell(f.Get(&e.Event))
		}
	}
	sequence, line := "", ""
	if e.Sequence > 0 {
		sequence = strconv.FormatUint(e.Sequence, 10)
	}
	if e.Unreadable {
		line = e.Line
	}
	cell(changesJSON(e))
	cell(sequence)
	cell(attributesJSON(e))
	cell(line)
	for _, name := range csvLabels {
		cell(e.Labels[name])
	}
	return c.out.Write(c.record)
}

// shown is what a person is shown of a character: a file for people is also looked
// at in terminals, which take control characters for commands, and is not to be
// written backwards. NDJSON has everything as it was.
func shown(r rune) rune {
	switch {
	case r == '\n', r == '\r', r == '\t':
	case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return text.Replacement
	}
	return r
}

func (c *csvWriter) Flush() error {
	c.out.Flush()
	return c.out.Error()
}

// attributesJSON is the application's own attributes as a JSON object, empty if
// there are none.
func attributesJSON(e *trail.Event) string {
	if len(e.Attributes) == 0 {
		return ""
	}
	var b strings.Builder
	for i, kv := range e.Attributes {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(jsonString(string(kv.Key)) + ":" + jsonString(kv.Value.String()))
	}
	return b.String() + "}"
}

// changesJSON is what an act has changed as a JSON object, old and new by field,
// empty if that is nothing.
func changesJSON(e *trail.Event) string {
	if len(e.Changes) == 0 {
		return ""
	}
	var b strings.Builder
	for i, c := range e.Changes {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(jsonString(c.Field) + `:{"old":` + jsonString(c.Old) + `,"new":` + jsonString(c.New) + "}")
	}
	return b.String() + "}"
}

func jsonString(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // a string can always be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// safeCell keeps a spreadsheet from taking a part of a text for a formula,
// whatever character it takes for the one that separates cells: where a cell may
// begin, an apostrophe stands before what would begin a formula. Numbers stay
// numbers.
func safeCell(s string) string {
	if _, err := strconv.ParseFloat(s, 64); err == nil && !strings.ContainsAny(s, "+IiNnXx_") {
		return s
	}
	var b strings.Builder
	after := cellStart
	for i, r := range s {
		if startsFormula(after, r, s[i+len(string(r)):]) {
			b.WriteByte('\'')
		}
		b.WriteRune(r)
		switch {
		case strings.ContainsRune(",;|:^~，；｜、", r):
			after = separator
		case unicode.IsControl(r), r == '\ufeff', r == '\u200b':
			if after != cellStart { // those that show nothing are often thrown away
				after = separator
			}
		case unicode.IsSpace(r):
			after = max(after, blank)
		case r == '"':
			// What a quote encloses may be a cell of its own.
		default:
			after = within
		}
	}
	return b.String()
}

// What stands before a character, as far as a spreadsheet may take what follows
// for the beginning of a cell.
const (
	within    = iota // anything else
	blank            // a blank: some can be told to separate cells there
	separator        // a character that separates cells somewhere
	cellStart        // the cell's own beginning
)

// startsFormula reports whether a cell that begins with r, with rest behind it,
// is one that a spreadsheet calculates, or, at the beginning of the whole cell,
// has been in some.
func startsFormula(after int, r rune, rest string) bool {
	switch r {
	case '=', '@', '＝', '＠':
		return after > within
	case '+', '-', '＋', '－':
		return after > blank || after == blank && rest != "" && !strings.HasPrefix(rest, " ") // a dash between words is none
	case '\t', '\r', '\n', '|', '%':
		return after == cellStart
	}
	return false
}
