package cluster

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/viewer"
)

// view is the page of Admin Sessions as it was opened while all was well.
type view struct {
	page *viewer.Handler
}

func openView(t *testing.T, c *cluster) *view {
	t.Helper()
	page, err := viewer.NewHandler(viewer.Config{
		Loki:         c.questions(),
		Services:     []string{service},
		Authorize:    func(*http.Request) viewer.Scope { return viewer.Scope{All: true} },
		QueryTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	v := &view{page}
	v.awaitNew(t)
	return v
}

// ask returns what a browser gets that loads the page again.
func (v *view) ask(t *testing.T) (status int, page string, err error) {
	t.Helper()
	w := httptest.NewRecorder()
	v.page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?range=15m", http.NoBody))
	answer := w.Result()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// anEvent is part of every event of the panels.
const anEvent = "/admin/api/clients/"

// awaitNew waits until the page shows what is in Loki.
func (v *view) awaitNew(t *testing.T) {
	t.Helper()
	await(t, "the page to show the trail", func() error {
		status, page, err := v.ask(t)
		if err == nil && (status != http.StatusOK || !strings.Contains(page, anEvent)) {
			err = fmt.Errorf("status %d, %d bytes", status, len(page))
		}
		return err
	})
}

// mustTell finds that the page says that there is no answer to be had, and goes on
// showing the one it had.
func (v *view) mustTell(t *testing.T) {
	t.Helper()
	status, page, err := v.ask(t)
	if err != nil {
		t.Fatal(err)
	}
	if status == http.StatusOK {
		err = errors.Join(err, errors.New("it says that all is well"))
	}
	if !strings.Contains(page, "problem") {
		err = errors.Join(err, errors.New("it tells of no problem"))
	}
	if !strings.Contains(page, anEvent) {
		err = errors.Join(err, errors.New("it has lost the answer that it had"))
	}
	if err != nil {
		t.Errorf("the page without an answer, status %d: %v", status, err)
	}
}
