package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	logs "github.com/grafana/grafana-foundation-sdk/go/loki"
	metrics "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// What stands where a query has no answer. A number that is 0 comes from the
// query; without one, nothing is known.
const (
	unknown   = "unknown"
	noMetrics = "unknown: no metrics in Prometheus"
	noRows    = "No rows. A red mark at the top says if the query failed."
)

type property = dashboard.DynamicConfigValue

func instantly(letter, expr string) *logs.DataqueryBuilder {
	return logs.NewDataqueryBuilder().RefId(refID(letter)).Datasource(loki).QueryType("instant").
		EditorMode(logs.QueryEditorModeCode).Expr(expr)
}

func overTime(letter, expr, legend string) *logs.DataqueryBuilder {
	return logs.NewDataqueryBuilder().RefId(refID(letter)).Datasource(loki).QueryType("range").
		EditorMode(logs.QueryEditorModeCode).Expr(expr).LegendFormat(legend)
}

func lines(expr string, most int64) *logs.DataqueryBuilder {
	return overTime("A", expr, "").MaxLines(most).Direction(logs.LokiQueryDirectionBackward)
}

func metric(letter, expr, legend string) *metrics.DataqueryBuilder {
	return metrics.NewDataqueryBuilder().RefId(letter).Datasource(prometheus).Expr(expr).LegendFormat(legend).
		EditorMode(metrics.QueryEditorModeCode)
}

// fromPanel takes what another panel of the dashboard has got.
func fromPanel(id uint32, transformed bool) cog.Builder[variants.Dataquery] {
	return built[variants.Dataquery]{variants.UnknownDataquery{
		"refId": "A", "datasource": panelResult, "panelId": id, "withTransforms": transformed,
	}}
}

// metricNow asks for the last value only.
func metricNow(letter, expr string) *metrics.DataqueryBuilder {
	return metric(letter, expr, "").Instant()
}

// step is a threshold: from value on, color. The first has no value.
type step struct {
	from  float64
	color string
}

func thresholds(steps ...step) cog.Builder[dashboard.ThresholdsConfig] {
	list := []dashboard.Threshold{{Color: "text"}}
	for _, s := range steps {
		list = append(list, dashboard.Threshold{Value: &s.from, Color: s.color})
	}
	return built[dashboard.ThresholdsConfig]{dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: list}}
}

// heading is a row that stands first, in a dashboard that has closed ones below:
// Grafana with its new layouts closed what stood before the first row along with it,
// for good, until it was mended in December 2025.
func heading(b *builder, id uint32, title string) {
	b.WithRow(dashboard.NewRowBuilder(title).GridPos(place(0, 0, 24, 1)).Id(id).Collapsed(false))
}

// place is where a panel stands on a grid of 24 columns.
func place(x, y, w, h uint32) dashboard.GridPos { return dashboard.GridPos{X: x, Y: y, W: w, H: h} }

// number is a panel with one big number.
func number(id uint32, title, about, unit string, at dashboard.GridPos, steps ...step) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Id(id).Title(title).Description(about).GridPos(at).
		Unit(unit).NoValue(unknown).Thresholds(thresholds(steps...)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeNone).
		TextMode(common.BigValueTextModeValue).Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}).Fields("").Values(false))
}

// counted is a number that Loki counts.
func counted(id uint32, title, about, expr string, at dashboard.GridPos, steps ...step) *stat.PanelBuilder {
	return number(id, title, about, "locale", at, steps...).Datasource(loki).WithTarget(instantly("A", expr))
}

// graph is a panel with lines over time.
func graph(id uint32, title, about, unit string, at dashboard.GridPos) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().Id(id).Title(title).Description(about).GridPos(at).
		Unit(unit).NoValue(unknown).Thresholds(thresholds()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		DrawStyle(common.GraphDrawStyleLine).LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeAuto).
		AxisSoftMin(0)
}

// bars is a panel that counts events over time, in whole numbers.
func bars(id uint32, title, about string, at dashboard.GridPos) *timeseries.PanelBuilder {
	return graph(id, title, about, "locale", at).
		NoValue("Nothing, or the query failed").
		DrawStyle(common.GraphDrawStyleBars).LineWidth(0).FillOpacity(85).BarWidthFactor(0.9).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A")).
		Decimals(0).AxisSoftMax(4). // no quarters of an event
		MaxDataPoints(120).Interval("1s").Datasource(loki)
}

// Colours are the same on every dashboard.
var (
	typeColors   = []mapping{{"WEB", "green", ""}, {"API", "blue", ""}, {"CLI", "orange", ""}, {"JOB", "yellow", ""}, {"MCP", "purple", ""}}
	methodColors = []mapping{
		{"GET", "green", ""}, {"HEAD", "green", ""}, {"OPTIONS", "green", ""}, {"QUERY", "green", ""},
		{"POST", "orange", ""}, {"PUT", "yellow", ""}, {"PATCH", "yellow", ""}, {"DELETE", "red", ""},
		{"_OTHER", "purple", "OTHER"}, {"TRACE", "purple", ""}, {"CONNECT", "purple", ""}, {"-", "gray", "–"},
	}
	outcomeColors = []mapping{{"success", "green", ""}, {"denied", "orange", ""}, {"failure", "yellow", ""}, {"error", "red", ""}, {"-", "text", "–"}}
	// statusColors are of the first digit.
	statusColors = []mapping{{"2", "green", ""}, {"3", "blue", ""}, {"4", "orange", ""}, {"5", "red", ""}}
)

// mapping gives a value a color and, if it needs one, another text.
type mapping struct{ value, color, text string }

func values(list []mapping) dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i, m := range list {
		r := dashboard.ValueMappingResult{Color: new(m.color), Index: new(int32(i))}
		if m.text != "" {
			r.Text = new(m.text)
		}
		options[m.value] = r
	}
	return dashboard.ValueMapping{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}
}

func pattern(expression, text, color string, index int32) dashboard.ValueMapping {
	r := dashboard.ValueMappingResult{Index: &index}
	if text != "" {
		r.Text = &text
	}
	if color != "" {
		r.Color = &color
	}
	return dashboard.ValueMapping{RegexMap: &dashboard.RegexMap{
		Type:    dashboard.MappingTypeRegexToText,
		Options: dashboard.DashboardRegexMapOptions{Pattern: expression, Result: r},
	}}
}

// statuses colors a status by its first digit, and says what has none.
func statuses() []dashboard.ValueMapping {
	var list []dashboard.ValueMapping
	for i, m := range statusColors {
		list = append(list, pattern("/^"+m.value+"/", "", m.color, int32(i)))
	}
	return append(list, pattern("/^started$/", "open", "text", 9), pattern("/^-$/", "–", "text", 10))
}

func fixed(color string) property {
	return property{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": color}}
}

// colored gives series their colors by name.
func colored(b *timeseries.PanelBuilder, list []mapping) *timeseries.PanelBuilder {
	for _, m := range list {
		properties := []property{fixed(m.color)}
		if m.text != "" {
			properties = append(properties, property{Id: "displayName", Value: m.text})
		}
		b = b.OverrideByName(m.value, properties)
	}
	return b
}

// here is an address of a dashboard that keeps the time range and what is chosen
// in the variables named; set is more of the address.
func here(uid string, keep []string, set ...string) string {
	parts := []string{"${__url_time_range}"}
	for _, name := range keep {
		parts = append(parts, "${"+name+":queryparam}")
	}
	return "/d/" + uid + "?" + strings.Join(append(parts, set...), "&")
}

// to sets a variable of a dashboard to a value of the row.
func to(variable, field string) string {
	return "var-" + variable + "=${__data.fields." + field + ":percentencode}"
}

// Variables that every dashboard has.
var common3 = []string{"loki", "service", "environment"}

func link(title, url string) map[string]any { return map[string]any{"title": title, "url": url} }
