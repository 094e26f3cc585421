package instrumentation

import "github.com/adminsessions/adminsessions/internal/redact"

// WithRedactedQuery hides the values of further names, whatever their case: of
// query parameters, and wherever else a name stands before a value. "*" hides
// the value of every query parameter. Hidden by default are values whose name,
// or whose own form, is that of a secret; docs/instrumentation.md has the rules.
func WithRedactedQuery(names ...string) Option {
	return func(c *config) error {
		for _, n := range names {
			if n == "" {
				return optionError("WithRedactedQuery", "empty name given")
			}
			c.redaction.Hide(n)
			c.hiddenNames = append(c.hiddenNames, n)
		}
		return nil
	}
}

// WithShownQuery shows the values of names that only look like a secret's
// ("badge_code"), also where they are those of a route's wildcards. A value that
// itself looks like a secret stays hidden.
func WithShownQuery(names ...string) Option {
	return func(c *config) error {
		for _, n := range names {
			if n == "" || n == "*" {
				return optionError("WithShownQuery", "%q given: want the names of parameters", n)
			}
			c.redaction.Show(n)
			c.shownNames = append(c.shownNames, n)
		}
		return nil
	}
}

// WithRedactedPath hides segments of paths that are secrets. In a pattern like
// "/invite/{token}/accept" what stands in braces is hidden, "*" is any segment,
// and "{rest...}" at the end hides all that follows.
//
// A path matches in every way in which a server could read it: whatever its
// case and its escapes, with slashes, dots and parameters in between. It matches
// from the first segment on, and up to the last that is hidden: a link that was
// cut short, or goes on in another way, holds the secret, too. Where the route is
// known ("GET /reset/{token}"), a wildcard with the name of a secret hides its
// segment without this option.
func WithRedactedPath(patterns ...string) Option {
	return func(c *config) error {
		for _, s := range patterns {
			p, err := redact.ParsePathPattern(s)
			if err != nil {
				return optionError("WithRedactedPath", "%w", err)
			}
			c.redaction.HidePath(p)
			c.hiddenPaths = append(c.hiddenPaths, s)
		}
		return nil
	}
}
