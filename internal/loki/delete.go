package loki

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Delete asks Loki to delete the entries that a log query chooses, from and to
// included, to the second. It is done later, by the compactor, if deletion is
// allowed for the tenant.
func (c *Client) Delete(ctx context.Context, query string, from, to time.Time) error {
	u := c.settings.push.JoinPath(apiPath, "delete")
	u.RawQuery = url.Values{
		"query": {query},
		"start": {strconv.FormatInt(from.Unix(), 10)},
		"end":   {strconv.FormatInt(to.Unix()+1, 10)},
	}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("making a request to delete: %w", err)
	}
	c.identify(req, c.settings.TenantID)
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return answerError(resp.StatusCode, strings.TrimSpace(string(text)))
	}
	return nil
}
