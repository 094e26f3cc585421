package main

import "strings"

// deletes holds for acts that delete, by whatever method: the verb is the last
// word of the action, alone or with more words of the verb. A page with the form
// for it is no such act.
const deletes = "method=\"DELETE\" or action=~`(?:.*[._])?(?:delete|destroy|remove|purge|erase|wipe|terminate)(?:_[a-z0-9_]*)?` and action!~`.*_form`"

// done holds for acts that were done or may have been: the panel failed, or who
// asked did not wait for the answer. The word may carry the beginning of the
// next part.
const done = "outcome=~`(?:success|error)(?:\\t.+)?`"

// Words of actions by which acts that change who may do what are known, alone or
// joined to others by dots and underscores: users.role.grant, reset_password.
var (
	roleWords       = []string{"role", "permission", "privilege", "acl"}
	credentialWords = []string{"password", "passphrase", "credential", "token", "api_key", "apikey", "access_key", "ssh_key", "secret"}
	mfaWords        = []string{"mfa", "2fa", "two_factor", "totp", "otp", "authenticator", "webauthn", "passkey", "recovery_code", "backup_code"}
)

// accounts are acts on an administrator's account itself: admin.create.
const accounts = `(?:.*\.)?(?:admin|administrator)s?\.[a-z_]+`

// worded matches actions that have one of the words.
func worded(words []string) string {
	return "(?:.*[._])?(?:" + strings.Join(words, "|") + ")(?:s|es)?(?:[._].*)?"
}

// acting leaves the acts whose action matches, done by somebody who is signed in
// or without a request. Looks at something, forms and signing in change nothing.
func acting(action string) string {
	return every + ours + words("type", "method", "email", "id", "action", "outcome") + ofAdmins +
		"\n  | " + matches("action", action) +
		"\n  | action!~`(?:.*[._])?(?:view|list|select|show|search|form|login|logout|sign_in|sign_out)|(?:.*\\.)?(?:login|sign_in|auth)[._].*`" +
		"\n " + signedIn + ` or method="-" | ` + done
}
