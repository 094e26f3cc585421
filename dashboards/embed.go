package dashboards

import "embed"

// Files holds the dashboards (*.json), alerts/ and runbooks/.
//
//go:embed *.json alerts/*.yaml runbooks/*.md
var Files embed.FS
