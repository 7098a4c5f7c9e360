//! The labels that follow from what happened, whatever the scene was.
//!
//! Owns the truth of links, overlaps, several people, identities and unused sessions. It reads plans, never facts.

use crate::builder::Builder;
use crate::plan::{Door, Read, Shell, Visit};
use crate::site::Site;
use crate::time::Ms;
use correlation::Code;
use std::collections::BTreeSet;

impl Builder {
    /// Emits a task with its visits, and labels what follows from them.
    pub(crate) fn finish(&mut self, site: &Site, visits: &[Visit]) {
        self.emit_site(site);
        for visit in visits {
            self.emit_visit(site, visit);
        }
        self.label(site, visits);
    }

    /// Labels without emitting the task.
    pub(crate) fn label(&mut self, site: &Site, visits: &[Visit]) {
        for visit in visits {
            self.label_links(site, visit);
            self.label_unused(visit);
            self.label_identities(site, visit);
        }
        let shells: Vec<(&Visit, &Shell)> =
            visits.iter().flat_map(|visit| visit.shells.iter().map(move |it| (visit, it))).collect();
        let open: Vec<(&Visit, &Shell)> = shells.into_iter().filter(|(_, shell)| shell.denied.is_none()).collect();
        self.label_overlaps(&open);
        self.label_people(site, &open);
    }

    fn label_links(&mut self, site: &Site, visit: &Visit) {
        for shell in visit.shells.iter().filter(|shell| shell.denied.is_none()) {
            self.truth.links.insert(shell.id.clone(), visit.tunnel.as_ref().map(|tunnel| tunnel.id.clone()));
            self.truth.tasks.entry(site.task_id.to_string()).or_default().push(shell.id.clone());
        }
        for shell in visit.shells.iter().filter(|shell| shell.denied.is_some()) {
            self.expect(Code::SessionExecDenied, format!("event:{}", shell.event_id));
        }
    }

    fn label_unused(&mut self, visit: &Visit) {
        let Some(tunnel) = &visit.tunnel else { return };
        let is_known_ended = tunnel.ended.is_some_and(|ended| ended < self.now) && tunnel.read == Read::Final;
        let is_unused = visit.shells.iter().all(|shell| shell.denied.is_some());
        if is_unused && is_known_ended {
            self.expect(Code::SessionUnused, format!("bs:{}", tunnel.id));
        }
    }

    fn label_identities(&mut self, site: &Site, visit: &Visit) {
        for shell in visit.shells.iter().filter(|shell| shell.denied.is_none() && shell.is_in_trail) {
            let mut names: BTreeSet<usize> = BTreeSet::new();
            names.extend(visit.tunnel.iter().map(|tunnel| tunnel.user));
            names.extend(Some(shell.by.person).filter(|_| shell.by.is_named && !shell.by.is_shared));
            names.extend(Some(site.owner).filter(|_| site.is_owned()));
            if names.len() > 1 && shell.door == Door::Exec {
                self.expect(Code::IdentityMismatch, format!("ssm:{}", shell.id));
            } else if names.len() > 1 {
                self.tolerate(Code::IdentityMismatch, format!("ssm:{}", shell.id));
            }
        }
    }

    fn label_overlaps(&mut self, shells: &[(&Visit, &Shell)]) {
        let mut sorted: Vec<&(&Visit, &Shell)> = shells.iter().collect();
        sorted.sort_by_key(|(_, shell)| (shell.started, shell.id.clone()));
        for (at, (visit, later)) in sorted.iter().enumerate() {
            let is_open = |shell: &Shell, then: Ms| shell.ended.is_none_or(|ended| ended > then);
            let is_other = |other: &Visit| visit.tunnel.is_none() || visit.bs() != other.bs();
            if sorted[..at].iter().any(|(other, earlier)| is_other(other) && is_open(earlier, later.started)) {
                self.expect(Code::SessionOverlap, format!("ssm:{}", later.id));
            }
        }
    }

    fn label_people(&mut self, site: &Site, shells: &[(&Visit, &Shell)]) {
        let named = shells.iter().filter(|(_, shell)| shell.by.is_named && !shell.by.is_shared && shell.is_in_trail);
        let people: BTreeSet<usize> = named.map(|(_, shell)| shell.by.person).collect();
        if people.len() > 1 {
            self.expect(Code::MultiSessionTask, site.subject());
        }
    }
}
