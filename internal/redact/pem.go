package redact

import "strings"

// findPEM looks for keys in PEM and in PuTTY's form, and for what is left of
// one.
func findPEM(s string, f found) bool {
	if i := strings.Index(s, "PuTTY-User-Key-File"); i >= 0 && f(i, len(s)) {
		return true
	}
	const begin = "-----BEGIN"
	for i := 0; ; {
		at := strings.Index(s[i:], begin)
		if at < 0 {
			return false
		}
		start := i + at
		i = start + len(begin)
		label, _, _ := strings.Cut(s[i:], "-----")
		label = strings.ToUpper(label)
		if !strings.Contains(label, "KEY") && !strings.Contains(label, "PGP") && !strings.Contains(label, "SECRET") && len(label) < 64 && label != "" {
			continue // a certificate
		}
		end := len(s)
		if at := strings.Index(s[i:], "-----END"); at >= 0 {
			end = i + at + len("-----END")
			for end < len(s) && s[end] != '-' {
				end++
			}
			for end < len(s) && s[end] == '-' {
				end++
			}
		}
		if f(start, end) {
			return true
		}
		i = end
	}
}
