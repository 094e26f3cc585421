package instrumentation

// normalizeMethod returns the method as OpenTelemetry's conventions want it:
// one of the known ones in capitals, or "_OTHER"; original is the method as it
// was sent where that differs.
func normalizeMethod(sent string) (method, original string) {
	switch sent {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "QUERY":
		return sent, ""
	case "": // net/http takes an empty method for GET
		return "GET", ""
	}
	return "_OTHER", sent
}
