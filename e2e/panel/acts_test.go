package panel_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// What is done without a request is in Loki with the request that it goes back to:
// a job from the queue, and a tool that the assistant has called.
func TestActsWithoutARequest(t *testing.T) {
	loki := lokitest.Start(t)
	p := startPanel(t, loki)
	client := browser(t)
	for _, c := range []struct {
		client       *http.Client
		header       http.Header
		path, body   string
		status       int
		act          string
		typ          adminsessions.Type
		actor        adminsessions.ActorType
		email, cause string
	}{
		{client, postedForm, "/admin/login", form("email", "anna@example.com", "password", "demo"), http.StatusSeeOther, "", "", "", "", ""},
		{client, postedForm, "/admin/clients/7605/suspend", "", http.StatusSeeOther, "services.stop", adminsessions.Job, adminsessions.ActorSystem, "anna@example.com", "clients.suspend"},
		{http.DefaultClient, http.Header{"Authorization": {"Bearer demo-token-assistant"}}, "/admin/api/assistant/show_client/run?client=7606", "", http.StatusOK,
			"clients.view", adminsessions.MCP, adminsessions.ActorAgent, "anna@example.com", "assistant.run"},
	} {
		status, answer, err := send(t.Context(), c.client, http.MethodPost, p.url+c.path, c.header, c.body)
		if err != nil || status != c.status {
			t.Fatalf("POST %s: %d %s %v", c.path, status, answer, err)
		}
		if c.act == "" {
			continue
		}
		cause := eventOf(t, loki.Await(t.Context(), requests+` |= " action=`+c.cause+` "`, lokitest.Last(time.Hour), 1)[0])
		act := eventOf(t, loki.Await(t.Context(), requests+` |= " action=`+c.act+` "`, lokitest.Last(time.Hour), 1)[0])
		if act.Type != c.typ || act.Actor.Type != c.actor || act.User.Email != c.email || act.Cause != cause.RequestID || act.Cause == "" ||
			act.Resource.ID != "7605" && act.Resource.ID != "7606" || act.Outcome != adminsessions.OutcomeSuccess || act.Method != "" || act.StatusCode != 0 {
			t.Errorf("%s is recorded as %s", c.act, act.Line())
		}
	}
}
