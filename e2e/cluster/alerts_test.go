package cluster

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// alertmanager hears what the ruler has to tell.
type alertmanager struct {
	url string

	mu    sync.Mutex
	heard []alert
}

type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func newAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	a := &alertmanager{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var alerts []alert
		if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.heard = append(a.heard, alerts...)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// mustHaveHeard waits for the alert about email. However often the ruler has
// repeated it, every time it must have been the same alert, which says: an
// Alertmanager then tells people once.
func (a *alertmanager) mustHaveHeard(t *testing.T, name, email, says string) {
	t.Helper()
	var alerts []alert
	await(t, "the ruler to send "+name, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, one := range a.heard {
			if one.Labels["alertname"] == name && one.Labels["email"] == email {
				alerts = append(alerts, one)
			}
		}
		if len(alerts) == 0 {
			return errors.New("it has not yet")
		}
		return nil
	})
	identity := func(one alert) string {
		text, err := json.Marshal(one.Labels) // its keys are sorted
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, one := range alerts {
		if identity(one) != identity(alerts[0]) {
			t.Errorf("%s is two alerts: %v and %v", name, one.Labels, alerts[0].Labels)
		}
		if !strings.Contains(one.Annotations["description"], says) {
			t.Errorf("%s says %q, want %q in it", name, one.Annotations["description"], says)
		}
	}
	t.Logf("%s was sent %d times, as one alert", name, len(alerts))
}
