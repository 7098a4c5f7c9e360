variable "org_id" {
  description = "The organisation in which the project is made, o_…"
  type        = string

  validation {
    condition     = startswith(var.org_id, "o_")
    error_message = "An organisation's id begins with o_."
  }
}

variable "project_name" {
  description = "The name of the project for the targets"
  type        = string
  default     = "investigations"
}

variable "auth_method_id" {
  description = "The password auth method with which target-sync logs in, ampw_…; not that of the owners"
  type        = string

  validation {
    condition     = startswith(var.auth_method_id, "ampw_")
    error_message = "A password auth method's id begins with ampw_."
  }
}

variable "auth_method_scope_id" {
  description = "The scope where that auth method is, global or o_…"
  type        = string
  default     = "global"
}

variable "login_name" {
  description = "The login name of target-sync, and the name of its user"
  type        = string
  default     = "target-sync"
}

variable "password" {
  description = "The first password. It is stored in Terraform's state: change it after the first apply (see the README)"
  type        = string
  sensitive   = true
}

variable "owner_scope_ids" {
  description = "The scopes where the owners' auth methods and users are, global or o_…; empty: auth_method_scope_id"
  type        = set(string)
  default     = []
}

variable "aliases" {
  description = "Whether target-sync keeps aliases; they are the only thing it writes outside the project"
  type        = bool
  default     = true
}

variable "overview" {
  description = "Whether target-sync may also list all roles, to tell of those that reach its targets, and workers, for doctor"
  type        = bool
  default     = false
}

variable "egress_worker_filter" {
  description = "Which workers connect to the message gateway, for example \"ecs\" in \"/tags/type\"; empty for any"
  type        = string
  default     = ""
}

variable "auditor_login_name" {
  description = "The login name of audit-bridge, and the name of its user"
  type        = string
  default     = "audit-bridge"
}

variable "auditor_password" {
  description = "The first password of audit-bridge; empty: no account for it. It is stored in Terraform's state, as the sync's is"
  type        = string
  default     = ""
  sensitive   = true
}
