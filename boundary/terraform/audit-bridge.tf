# What audit-bridge needs in Boundary: an account that may read sessions, and nothing else. Off unless auditor_password is given.

locals {
  # The program lists sessions and reads each: lists without `read` show their owners' alone. A test holds this to the document.
  auditor_grants = [
    "ids=*;type=session;actions=list,read",
  ]
  auditors = nonsensitive(var.auditor_password != "") ? 1 : 0
}

resource "boundary_account_password" "auditor" {
  count          = local.auditors
  auth_method_id = var.auth_method_id
  login_name     = var.auditor_login_name
  password       = var.auditor_password
  description    = "audit-bridge"
}

resource "boundary_user" "auditor" {
  count       = local.auditors
  scope_id    = var.auth_method_scope_id
  name        = var.auditor_login_name
  description = "audit-bridge"
  account_ids = [boundary_account_password.auditor[0].id]
}

# Sessions live in projects: the role is global, for all of them. Narrower: one role a project, and its id as the bridge's scope_id.
resource "boundary_role" "auditor" {
  count           = local.auditors
  scope_id        = "global"
  name            = "audit-bridge"
  description     = "Every session, with its connections and bytes"
  principal_ids   = [boundary_user.auditor[0].id]
  grant_scope_ids = ["this", "descendants"]
  grant_strings   = local.auditor_grants
}
