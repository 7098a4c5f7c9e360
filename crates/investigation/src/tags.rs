//! The tags and environment variables by which a task says which investigation it serves, in every dialect that was in use.
//!
//! Owns the order in which dialects are tried. A value is a claim of whoever could tag the task, not a fact.

use std::collections::BTreeMap;

/// The pair that names an investigation. The investigation's id alone is not unique: two clusters may use the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InvestigationKey {
    /// The investigated cluster's id (the tag `cluster_id`), not the ECS cluster.
    pub cluster_id: String,
    /// The investigation's id within that cluster.
    pub investigation_id: String,
}

/// What is written on a task: its tags, and the environment that its launcher gave to the container.
#[derive(Debug, Clone, Default)]
pub struct TaskLabels {
    /// Tags of the ECS task.
    pub tags: BTreeMap<String, String>,
    /// Environment of the container overrides.
    pub environment: BTreeMap<String, String>,
}

impl TaskLabels {
    /// The investigated cluster's id: tag `cluster_id`, else the variable `CLUSTER_ID`.
    pub fn cluster_id(&self) -> Option<&str> {
        self.first(&["cluster_id"], &["CLUSTER_ID"])
    }

    /// The investigation's id: tag `investigation_id`, else `INVESTIGATION_ID`, else the older `INCIDENT_NUMBER`.
    pub fn investigation_id(&self) -> Option<&str> {
        self.first(&["investigation_id"], &["INVESTIGATION_ID", "INCIDENT_NUMBER"])
    }

    /// The owner's name: tag `username`, else the older `owner_username`.
    pub fn owner_name(&self) -> Option<&str> {
        self.first(&["username", "owner_username"], &[])
    }

    /// Both ids, when both are there.
    pub fn key(&self) -> Option<InvestigationKey> {
        Some(InvestigationKey {
            cluster_id: self.cluster_id()?.to_owned(),
            investigation_id: self.investigation_id()?.to_owned(),
        })
    }

    fn first(&self, tags: &[&str], variables: &[&str]) -> Option<&str> {
        let tag = tags.iter().find_map(|name| self.tags.get(*name));
        let found = tag.or_else(|| variables.iter().find_map(|name| self.environment.get(*name)));
        found.map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tags: &[(&str, &str)], environment: &[(&str, &str)]) -> TaskLabels {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TaskLabels { tags: map(tags), environment: map(environment) }
    }

    #[test]
    fn tags_win_over_the_environment() {
        let labels = labels(&[("cluster_id", "a"), ("investigation_id", "1")], &[("CLUSTER_ID", "b")]);
        let key = labels.key().unwrap();
        assert_eq!((key.cluster_id.as_str(), key.investigation_id.as_str()), ("a", "1"));
    }

    #[test]
    fn the_oldest_dialect_has_only_variables() {
        let labels = labels(&[], &[("CLUSTER_ID", "b"), ("INCIDENT_NUMBER", "77")]);
        assert_eq!(labels.key().unwrap().investigation_id, "77");
    }

    #[test]
    fn an_empty_value_is_no_value() {
        assert_eq!(labels(&[("cluster_id", "")], &[]).key(), None);
    }
}
