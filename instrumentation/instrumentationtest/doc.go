// Package instrumentationtest lets an application's own tests say what its
// handlers and jobs record:
//
//	trail := instrumentationtest.New(t)
//	trail.Expect(panel, httptest.NewRequest("DELETE", "/admin/clients/7731", nil), adminsessions.Event{
//		Action: "clients.delete", Resource: adminsessions.Resource{ID: "7731"},
//		Changes: []adminsessions.Change{{Field: "status", Old: "active", New: "closed"}},
//	})
//
// What a wanted event leaves empty is not compared. If the recorded one differs,
// the test fails with the fields that do, and with the recorded line.
package instrumentationtest
