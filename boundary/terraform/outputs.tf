output "project_id" {
  description = "The project, for boundary.project_id"
  value       = boundary_scope.project.id
}

output "user_id" {
  description = "The user of target-sync"
  value       = boundary_user.sync.id
}

output "config" {
  description = "The part of target-sync's configuration that follows from here: terraform output -raw config"
  value       = <<-TOML
    [boundary]
    project_id = ${jsonencode(boundary_scope.project.id)}
    auth_method_id = ${jsonencode(var.auth_method_id)}
    login_name = ${jsonencode(var.login_name)}
    aliases = ${var.aliases}

    [target]
    egress_worker_filter = ${jsonencode(var.egress_worker_filter)}
  TOML
}
