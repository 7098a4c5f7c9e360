# What target-sync needs in Boundary: a project of its own, an account, and the least grants.

terraform {
  required_version = ">= 1.3"
  required_providers {
    boundary = {
      source  = "hashicorp/boundary"
      version = ">= 1.2.0, < 2.0.0" # grant_scope_ids of roles
    }
  }
}

locals {
  # Each string is the program's own (crates/target-sync/src/observe/boundary.rs); a test holds them together.
  project_grants = [
    "ids=*;type=target;actions=create,list,read,update,delete",
    "ids=*;type=role;actions=create,list,read,update,delete,set-grants,set-grant-scopes,set-principals",
    "ids=*;type=session;actions=list,read,cancel",
  ]
  alias_grants = [
    "ids=*;type=alias;actions=create,list,read,update,delete",
  ]
  owner_grants = [
    "ids=*;type=user;actions=list,read",
    "ids=*;type=account;actions=list,read",
  ]
  # Not needed for any write: roles of others that reach our targets, and workers' names for `doctor`.
  overview_grants = [
    "ids=*;type=role;actions=list,read",
    "ids=*;type=worker;actions=list,no-op", # a list shows only what something may be done with
  ]
  owner_scope_ids = length(var.owner_scope_ids) > 0 ? var.owner_scope_ids : toset([var.auth_method_scope_id])
}

# The project holds nothing but the sync's objects: what its account may do ends here.
resource "boundary_scope" "project" {
  scope_id                 = var.org_id
  name                     = var.project_name
  description              = "Targets of running investigations. Kept by target-sync: do not add others."
  auto_create_admin_role   = false
  auto_create_default_role = false
}

resource "boundary_account_password" "sync" {
  auth_method_id = var.auth_method_id
  login_name     = var.login_name
  password       = var.password
  description    = "target-sync"
}

resource "boundary_user" "sync" {
  scope_id    = var.auth_method_scope_id
  name        = var.login_name
  description = "target-sync"
  account_ids = [boundary_account_password.sync.id]
}

resource "boundary_role" "project" {
  scope_id        = boundary_scope.project.id
  name            = "target-sync"
  description     = "Targets, their roles and their sessions"
  principal_ids   = [boundary_user.sync.id]
  grant_scope_ids = ["this"]
  grant_strings   = local.project_grants
}

# Aliases live in the global scope only; without this role say `aliases = false`.
resource "boundary_role" "alias" {
  count           = var.aliases ? 1 : 0
  scope_id        = "global"
  name            = "target-sync-aliases"
  description     = "Aliases of the targets that target-sync keeps"
  principal_ids   = [boundary_user.sync.id]
  grant_scope_ids = ["this"]
  grant_strings   = local.alias_grants
}

resource "boundary_role" "owners" {
  for_each        = local.owner_scope_ids
  scope_id        = each.value
  name            = "target-sync-owners"
  description     = "Whose account is whose, to find the owners of tasks"
  principal_ids   = [boundary_user.sync.id]
  grant_scope_ids = ["this"]
  grant_strings   = local.owner_grants
}

resource "boundary_role" "overview" {
  count           = var.overview ? 1 : 0
  scope_id        = "global"
  name            = "target-sync-overview"
  description     = "Roles elsewhere that may reach the targets, and workers' names"
  principal_ids   = [boundary_user.sync.id]
  grant_scope_ids = ["this", "descendants"]
  grant_strings   = local.overview_grants
}
