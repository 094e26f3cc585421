package exporter

// Loki refuses an entry whose structured metadata has more than 128 names or
// 64 KiB, or whose line has more than 256 KiB (limits_config:
// max_structured_metadata_entries_count, max_structured_metadata_size,
// max_line_size). Records are cut to less than that when they are accepted, so
// that a refusal for size is a fault of configuration and not a habit. What
// was cut is named in the entry's audit_truncated.
const (
	maxLineBytes     = 64 << 10
	maxValueBytes    = 16 << 10
	maxNameBytes     = 256
	maxMetadataNames = 112 // leaves room for the names the exporter adds
	maxMetadataBytes = 56 << 10
	maxLabelBytes    = 1 << 10 // Loki: max_label_value_length 2048
	maxNesting       = 8       // levels of an attribute that is a map
)
