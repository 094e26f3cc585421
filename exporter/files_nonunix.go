//go:build !unix

package exporter

const noFollow = 0
