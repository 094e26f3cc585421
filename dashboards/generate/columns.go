package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// column is a column of a table.
type column struct {
	field, title string
	width        int // pixels; 0 takes what is left
	least        int // pixels, where width is 0
	hidden       bool
	more         []property
}

func (c column) with(more ...property) column {
	c.more = append(append([]property(nil), c.more...), more...)
	return c
}

// carried is a field that links of the row need, and nobody sees.
func carried(field string) column { return column{field: field, hidden: true} }

func (c column) properties() []property {
	if c.hidden {
		return []property{{Id: "custom.hideFrom.viz", Value: true}}
	}
	list := []property{{Id: "displayName", Value: c.title}}
	if c.width > 0 {
		list = append(list, property{Id: "custom.width", Value: c.width})
	}
	if c.least > 0 {
		list = append(list, property{Id: "custom.minWidth", Value: c.least})
	}
	return append(list, c.more...)
}

func links(list ...map[string]any) property { return property{Id: "links", Value: list} }

func drawn(kind string) property {
	return property{Id: "custom.cellOptions", Value: map[string]any{"type": kind}}
}

func mapped(list ...dashboard.ValueMapping) property { return property{Id: "mappings", Value: list} }

func unit(u string) property { return property{Id: "unit", Value: u} }

var (
	right      = property{Id: "custom.align", Value: "right"}
	inspected  = property{Id: "custom.inspect", Value: true}
	wrapped    = property{Id: "custom.wrapText", Value: true}
	unfiltered = property{Id: "custom.filterable", Value: false}
)

// Columns that several tables have.
var (
	dateColumn   = column{field: "when", title: "Date", width: 122, more: []property{unit("time:MM-DD HH:mm:ss"), unfiltered}}
	typeColumn   = column{field: field("type"), title: "Type", width: 58, more: []property{unfiltered, drawn("pill"), mapped(values(typeColors))}}
	methodColumn = column{field: field("method"), title: "Method", width: 76, more: []property{unfiltered, drawn("pill"), mapped(values(methodColors))}}
	statusColumn = column{field: field("status"), title: "Status", width: 60, more: []property{unfiltered, drawn("color-text"), mapped(statuses()...)}}
	tookColumn   = column{field: field("ms"), title: "Duration", width: 82, more: []property{unit("ms"), unfiltered, right, {Id: "noValue", Value: "–"}, {Id: "decimals", Value: 1}}}
	ipColumn     = column{field: field("ip"), title: "IP Address", width: 104, more: []property{unfiltered, mapped(values([]mapping{{"-", "text", "–"}}))}}
	emailColumn  = column{field: field("email"), title: "E-mail", least: 160}
	idColumn     = column{field: field("id"), title: "Id", width: 64, more: []property{unfiltered}}
	actionColumn = column{field: field("action"), title: "Action", least: 150}
	// outcomeColumn says what came of an act.
	outcomeColumn = column{field: field("outcome"), title: "Outcome", width: 84, more: []property{unfiltered, drawn("color-text"), mapped(values(outcomeColors))}}
)

func numberColumn(letter, title string, width int) column {
	return column{field: "Value #" + refID(letter), title: title, width: width, more: []property{unit("locale"), right, unfiltered}}
}

func timeColumn(letter, title string) column {
	return column{field: "Value #" + refID(letter), title: title, width: 126, more: []property{unit("time:MM-DD HH:mm:ss"), unfiltered}}
}

// tableOf is a table with the columns given and no other, whatever fields the
// lines have. A value is a text unless its column says otherwise: the id 12345 is
// not 12.3 K.
func tableOf(id uint32, title, about, empty string, at dashboard.GridPos, columns ...column) *table.PanelBuilder {
	b := table.NewPanelBuilder().Id(id).Title(title).Description(about).GridPos(at).Datasource(loki).
		Unit("string").NoValue(empty).Thresholds(thresholds()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		ShowHeader(true).CellHeight(common.TableCellHeightSm).
		Align(common.FieldTextAlignmentLeft).Filterable(true).MinWidth(50)
	// What an empty table says, Grafana also writes into empty cells.
	b = b.OverrideByRegexp("/.*/", []property{{Id: "noValue", Value: ""}})
	for _, c := range columns {
		b = b.OverrideByName(c.field, c.properties())
	}
	return b
}

// sortedBy orders a table when it is opened.
func sortedBy(b *table.PanelBuilder, title string) *table.PanelBuilder {
	return b.SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(title).Desc(true)})
}

// only keeps the columns, in their order.
func only(columns []column) []dashboard.DataTransformerConfig {
	names, order := []string{}, map[string]int{}
	for i, c := range columns {
		names = append(names, c.field)
		order[c.field] = i
	}
	return []dashboard.DataTransformerConfig{
		{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": names}}},
		{Id: "organize", Options: map[string]any{"excludeByName": map[string]any{}, "includeByName": map[string]any{}, "renameByName": map[string]any{}, "indexByName": order}},
	}
}

// requests is a table of requests.
func requests(id uint32, title, about, expr string, most int64, at dashboard.GridPos, columns ...column) *table.PanelBuilder {
	return sortedBy(tableOf(id, title, about, noRows, at, columns...), "Date").
		WithTarget(lines(expr, most)).
		Transformations(append(ofRows(), only(columns)...))
}

// groups is a table of what instant queries have counted, a row a group.
func groups(b *table.PanelBuilder, columns []column) *table.PanelBuilder {
	return b.Transformations(append([]dashboard.DataTransformerConfig{{Id: "merge", Options: map[string]any{}}}, only(columns)...))
}
