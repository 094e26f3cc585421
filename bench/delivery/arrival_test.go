package delivery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// arrived is what Loki's log view shows of an instance.
type arrived struct {
	ids     map[string]struct{}
	doubled int // events shown more than once
}

const pageSize = 100_000

// startLoki starts a Loki that returns large pages.
func startLoki(b *testing.B) *lokitest.Server {
	return lokitest.Start(b, lokitest.WithArgs("-validation.max-entries-limit="+strconv.Itoa(pageSize)))
}

// readBack reads the request ids of all events of an instance, but for the
// trail's own.
func readBack(b *testing.B, loki *lokitest.Server, instance string) arrived {
	b.Helper()
	found := arrived{ids: make(map[string]struct{})}
	from, to := time.Now().Add(-time.Hour).UnixNano(), time.Now().Add(time.Hour).UnixNano()
	for {
		values := readPage(b, loki, instance, from, to)
		last := from
		for _, v := range values {
			last = max(last, v.at)
		}
		whole := len(values) < pageSize
		for _, v := range values {
			if v.at == last && !whole {
				continue // comes again with the next page
			}
			if _, ok := found.ids[v.id]; ok {
				found.doubled++
			}
			found.ids[v.id] = struct{}{}
		}
		if whole {
			return found
		}
		from = last
	}
}

type idAt struct {
	at int64
	id string
}

func readPage(b *testing.B, loki *lokitest.Server, instance string, from, to int64) []idAt {
	b.Helper()
	query := url.Values{
		"query": {fmt.Sprintf(`{service_name=%q, service_instance_id=%q} | pattern "type=<type> <_> request=<request> ms=<_>" | type!="TRAIL" | line_format "{{.request}}" | keep service_name`, serviceName, instance)},
		"start": {strconv.FormatInt(from, 10)}, "end": {strconv.FormatInt(to, 10)},
		"limit": {strconv.Itoa(pageSize)}, "direction": {"forward"},
	}
	resp, err := http.Get(loki.URL() + "/loki/api/v1/query_range?" + query.Encode())
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]string `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("read back %s: %s: %v", instance, resp.Status, err)
	}
	var values []idAt
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			at, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			values = append(values, idAt{at, v[1]})
		}
	}
	return values
}
