package main

// deletes holds for acts that delete, by whatever method: the verb is the last
// word of the action, alone or with more words of the verb. A page with the form
// for it is no such act.
const deletes = "method=\"DELETE\" or action=~`(?:.*[._])?(?:delete|destroy|remove|purge|erase|wipe|terminate)(?:_[a-z0-9_]*)?` and action!~`.*_form`"

// done holds for acts that were done or may have been: the panel failed, or who
// asked did not wait for the answer. The word may carry the beginning of the
// next part.
const done = "outcome=~`(?:success|error)(?:\\t.+)?`"
