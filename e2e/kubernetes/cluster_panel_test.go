//go:build kubernetes

package kubernetes

import (
	"net/http"
	"net/url"
	"testing"
)

// testPanel runs deploy/kubernetes/panel.yaml as it is, and deletes a pod of it by
// force while Loki is away.
func (r *release) testPanel(t *testing.T) {
	r.apply(t, string(read(t, "deploy", "kubernetes", "panel.yaml")), "-n", "panel")
	rolledOut := func() {
		t.Helper()
		r.kubectl(t, "-n", "panel", "rollout", "status", "statefulset/adminpanel", "--timeout=3m")
	}
	rolledOut()
	tr := r.newTrail(t, "adminpanel", "", "/admin/clients?search=number-")
	signIn := func() { // to one of the pods, which alone knows the session
		t.Helper()
		tr.url = "http://" + r.pod(t, "adminpanel-0", ".status.podIP") + ":8080"
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.PostForm(tr.url+"/admin/login", url.Values{"email": {"anna@example.com"}, "password": {"demo"}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if tr.cookies = resp.Cookies(); len(tr.cookies) == 0 {
			t.Fatalf("signing in: %s", resp.Status)
		}
	}
	signIn()
	tr.work(t, 20)
	tr.verify(t)
	r.lokiAway(t)
	tr.work(t, 20)
	r.kubectl(t, "-n", "panel", "delete", "pod", "adminpanel-0", "--force", "--grace-period=0")
	rolledOut()
	r.lokiBack(t)
	signIn()
	tr.work(t, 20)
	tr.verify(t)
}
