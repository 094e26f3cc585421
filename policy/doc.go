// Package policy reads what an operator wants recorded, and how, from a YAML
// file: which requests are only counted, which are strict, which fields of forms
// and bodies are kept, what is hidden, which proxies are believed.
//
//	opts, err := policy.Load("/etc/adminsessions/policy.yaml")
//	if err != nil {
//		return err
//	}
//	record, err := instrumentation.NewMiddleware(append(opts, instrumentation.WithLoggerProvider(exp.LoggerProvider()))...)
//
// The file has one key, policy. The program adminsessions proxy reads the same
// section of its own file, so that one file can serve both. docs/policy.md has
// all keys.
package policy
