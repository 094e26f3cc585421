package main

// ofWhom sets the variable admin of a dashboard to whoever the alert is about.
var ofWhom = "{{ if ne $labels.email `-` }}" + setTo("admin", "email") + "{{ else }}" + setTo("admin", "id") + "{{ end }}"

// whoever names an administrator in a description.
var whoever = said("email") + ", id " + said("id") + ","

// accessChanged is a rule about acts that change who may do what.
func accessChanged(name, uid, what, action, severity string) alert {
	return alert{
		name: name, uid: uid,
		about:    []string{"Each such act that was done, or may have been. The 20 most frequent of 10 minutes."},
		expr:     "topk(20, sum by (service_name, email, id, action) (" + within(acting(action), "10m") + "))",
		severity: severity,
		summary:  what + " changed at " + known("service_name"), description: whoever + " did " + said("action") + " at " + known("service_name") + " " + value + " times within 10 minutes.",
		dashboard: uidSessions, panel: 3, vars: ofWhom + setTo("action", "action"),
	}
}

// from are the requests of people who are signed in, with what an application has
// looked up of their address. It stands behind the words of the part for
// machines, where no text of a stranger comes before it.
func from(name string) string {
	return every + " |= ` " + field(name) + `="` + "`" + ours + words("type", "method", "status", "email", "id") + ofAdmins + ended + signedIn +
		"\n  | pattern \"<_>\\tsession=<_> request=<_> ms=<_>" + name + "=\\\"<" + name + ">\\\"<_>\" | " + name + "!=\"\""
}

// newPlace is a rule about administrators who come from where they did not come
// from in the 30 days before.
func newPlace(alertName, uid, what, name, severity string) alert {
	by := "service_name, email, id, " + name
	return alert{
		name: alertName, uid: uid, slow: true,
		about: []string{"Where the application looks up addresses. Reads 30 days back: in the first days of the", "looking up, and for a new administrator, everything is new."},
		expr: between(
			"topk(20,",
			"sum by ("+by+") ("+within(from(name), "30m")+")",
			"unless",
			"sum by ("+by+") (count_over_time("+from(name)+" [30d] offset 30m))",
			")"),
		severity: severity,
		summary:  "An administrator of " + known("service_name") + " works from a new " + what, description: whoever + " made " + value + " requests to " + known("service_name") + " from the " + what + " " + said(name) + ", not seen of them in the 30 days before.",
		dashboard: uidSessions, panel: 3, vars: ofWhom,
	}
}

// actAlerts are the rules that speak of what administrators do.
func actAlerts() []alert {
	return []alert{
		{
			name: "AdminSessionsMassDeletion", uid: "adminsessions-mass-deletion",
			about: []string{
				"Acts that delete, by whatever method, that were done or may have been: the panel failed,",
				"or whoever asked did not wait for the answer.",
			},
			expr: "topk(20, sum by (service_name, email, id) (" + within(
				every+" |~ `(?i)delete|destroy|remove|purge|erase|wipe|terminate`"+ours+words("type", "method", "email", "id", "action", "outcome")+ofAdmins+
					"\n  | method!=\"\" | "+deletes+"\n  | "+done, "10m") + ") > 20)",
			severity: "critical",
			summary:  "Mass deletion at " + known("service_name"), description: whoever + " made " + value + " deletions at " + known("service_name") + " within 10 minutes.",
			dashboard: uidSessions, panel: 3, vars: ofWhom,
		},
		accessChanged("AdminSessionsRolesChanged", "adminsessions-roles-changed", "Roles, permissions or administrators were", worded(roleWords)+"|"+accounts, "warning"),
		accessChanged("AdminSessionsCredentialsChanged", "adminsessions-credentials-changed", "Credentials were", worded(credentialWords), "info"),
		accessChanged("AdminSessionsMFAChanged", "adminsessions-mfa-changed", "Multi-factor authentication was", worded(mfaWords), "warning"),
		{
			name: "AdminSessionsBreakGlass", uid: "adminsessions-break-glass",
			about: []string{"Acts, done or not, whose reason says break-glass: an emergency, outside the usual way."},
			expr: "topk(20, sum by (service_name, email, id, action) (" + within(
				every+" |~ `(?i)break-glass|break glass|breakglass`"+ours+words("type", "email", "id", "action")+ofAdmins+
					"\n  | logfmt | reason=~`(?i).*break[- ]?glass.*`", "10m") + "))",
			severity: "critical",
			summary:  "A break-glass reason was given at " + known("service_name"), description: whoever + " did " + said("action") + " at " + known("service_name") + " with a break-glass reason " + value + " times within 10 minutes.",
			dashboard: uidSessions, panel: 3, vars: ofWhom + setTo("action", "action"),
		},
		newPlace("AdminSessionsNewCountry", "adminsessions-new-country", "country", "country", "warning"),
		newPlace("AdminSessionsNewNetwork", "adminsessions-new-network", "network", "network", "info"),
	}
}
