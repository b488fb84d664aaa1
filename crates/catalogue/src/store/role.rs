//! Which space a catalogue is searched in, and how that is changed.
//!
//! A catalogue that was never migrated records nothing: each process searches in the space of the model that it opened.
//! `libellus migrate` records which space is *active*, which one is being filled (*next*), and which one was active
//! *before*, with its embeddings still there. What follows from what is decided here; the stores only keep it.

use std::fmt;

/// A space, and the model that makes vectors of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ModelSpace {
    /// The space.
    pub space: String,
    /// The model, as it was named.
    pub model: String,
}

impl fmt::Display for ModelSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (space {})", self.model, self.space)
    }
}

/// What the spaces of a catalogue are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SpaceRoles {
    /// The one that is searched.
    pub active: Option<ModelSpace>,
    /// The one that is being filled.
    pub next: Option<ModelSpace>,
    /// The one that was active before, and can be again.
    pub previous: Option<ModelSpace>,
}

/// A change of the roles.
#[derive(Clone, Copy, Debug)]
pub enum RoleChange<'a> {
    /// Begin to fill another space.
    Begin {
        /// The one that is searched until now.
        active: &'a ModelSpace,
        /// The other.
        next: &'a ModelSpace,
    },
    /// Search the next space from now on.
    CutOver,
    /// Search the space before again.
    RollBack,
    /// Delete the embeddings of the space before.
    DropOld,
    /// Delete the embeddings of the next space.
    Abandon,
}

/// Why roles cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationProblem {
    /// There is no next space.
    #[error("no second set of embeddings is being made; begin with `libellus migrate --to MODEL`")]
    NotBegun,
    /// Passages have no embedding in the next space yet.
    #[error("{missing} passages have no embedding by {next} yet; `libellus migrate --to` goes on with it")]
    NotFilled {
        /// How many.
        missing: u64,
        /// The next space.
        next: ModelSpace,
    },
    /// From a space to itself.
    #[error("{0} is what is searched already")]
    Same(ModelSpace),
    /// What is searched is not what was said.
    #[error("it is searched by {active}, not by {given}")]
    OtherActive {
        /// The active space.
        active: ModelSpace,
        /// What was said.
        given: ModelSpace,
    },
    /// A migration to another model.
    #[error(
        "a set of embeddings by {0} is being made already; cut over to it, or give it up with `libellus migrate --abandon`"
    )]
    OtherNext(ModelSpace),
    /// The migration before is not over.
    #[error(
        "the set before, by {0}, is still there; drop it first with `libellus migrate --drop-old`, or roll back to it"
    )]
    OldSetThere(ModelSpace),
    /// There is nothing to go back to, or to drop.
    #[error("there is no set of embeddings from before")]
    NothingBefore,
}

impl SpaceRoles {
    /// Whether embeddings in a space are of use: any may be searched while nothing is recorded, later only those whose
    /// space has a role.
    #[must_use]
    pub fn knows(&self, space: &str) -> bool {
        self.active.is_none() || self.named().any(|(_, known)| known.space == space)
    }

    /// Whether a search could show embeddings in a space.
    pub(super) fn shows(&self, space: &str) -> bool {
        self.active.as_ref().is_none_or(|active| active.space == space)
    }

    /// What is searched, if embeddings in a space are of no use beside it.
    pub(super) fn instead_of(&self, space: &str) -> Option<ModelSpace> {
        self.active.clone().filter(|_| !self.knows(space))
    }

    /// The roles by their names, as the stores keep them.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &ModelSpace)> {
        let all = [("active", &self.active), ("next", &self.next), ("previous", &self.previous)];
        all.into_iter().filter_map(|(role, space)| Some((role, space.as_ref()?)))
    }

    /// Takes up a role that a store kept; other names are of later versions.
    pub(super) fn set(&mut self, role: &str, space: ModelSpace) {
        match role {
            "active" => self.active = Some(space),
            "next" => self.next = Some(space),
            "previous" => self.previous = Some(space),
            _ => {}
        }
    }

    /// The roles after a change, and the space whose embeddings go with it; `missing` passages have no embedding in the
    /// next space, and may still get one.
    pub(super) fn after(
        &self,
        change: RoleChange<'_>,
        missing: u64,
    ) -> Result<(Self, Option<String>), MigrationProblem> {
        let mut roles = self.clone();
        let mut dropped = None;
        match change {
            RoleChange::Begin { active, next } => {
                let active = match &self.active {
                    Some(recorded) if recorded.space != active.space => {
                        return Err(MigrationProblem::OtherActive { active: recorded.clone(), given: active.clone() });
                    }
                    Some(recorded) => recorded,
                    None => active,
                };
                if active.space == next.space {
                    return Err(MigrationProblem::Same(active.clone()));
                }
                match (&self.next, &self.previous) {
                    (Some(other), _) if other.space != next.space => {
                        return Err(MigrationProblem::OtherNext(other.clone()));
                    }
                    (_, Some(old)) => return Err(MigrationProblem::OldSetThere(old.clone())),
                    _ => {}
                }
                (roles.active, roles.next) = (Some(active.clone()), Some(next.clone()));
            }
            RoleChange::CutOver => {
                let next = roles.next.take().ok_or(MigrationProblem::NotBegun)?;
                if missing > 0 {
                    return Err(MigrationProblem::NotFilled { missing, next });
                }
                roles.previous = roles.active.replace(next);
            }
            RoleChange::RollBack => {
                let previous = roles.previous.take().ok_or(MigrationProblem::NothingBefore)?;
                roles.next = roles.active.replace(previous);
            }
            RoleChange::DropOld => dropped = Some(roles.previous.take().ok_or(MigrationProblem::NothingBefore)?.space),
            RoleChange::Abandon => dropped = Some(roles.next.take().ok_or(MigrationProblem::NotBegun)?.space),
        }
        Ok((roles, dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(name: &str) -> ModelSpace {
        ModelSpace { space: format!("space-{name}"), model: name.to_owned() }
    }

    /// The roles as three letters, `-` for none.
    fn letters(roles: &SpaceRoles) -> String {
        let letter = |role: &Option<ModelSpace>| role.as_ref().map_or("-".to_owned(), |role| role.model.clone());
        [&roles.active, &roles.next, &roles.previous].map(letter).concat()
    }

    #[test]
    fn spaces_without_a_role_are_of_no_use_beside_others() {
        let [a, b, c] = ["a", "b", "c"].map(space);
        let none = SpaceRoles::default();
        let some = SpaceRoles { active: Some(a.clone()), next: Some(b), previous: None };
        for (roles, space, knows, shows) in [
            (&none, "space-a", true, true),
            (&some, "space-a", true, true),
            (&some, "space-b", true, false),
            (&some, &c.space, false, false),
        ] {
            assert_eq!((roles.knows(space), roles.shows(space)), (knows, shows), "{space} of {roles:?}");
            assert_eq!(roles.instead_of(space).is_none(), knows);
        }
    }

    #[test]
    fn roles_follow_from_one_another() {
        let [a, b, c] = ["a", "b", "c"].map(space);
        let begin = |active, next| RoleChange::Begin { active, next };
        let roles = |text: &str| {
            let at = |place: usize| text.chars().nth(place).filter(|c| *c != '-').map(|c| space(&c.to_string()));
            SpaceRoles { active: at(0), next: at(1), previous: at(2) }
        };
        for (before, change, missing, after, dropped) in [
            ("---", begin(&a, &b), 9, "ab-", None),
            ("ab-", begin(&a, &b), 9, "ab-", None),
            ("ab-", begin(&a, &c), 9, "a set of embeddings by `b`", None),
            ("ab-", begin(&c, &b), 9, "it is searched by `a` (space space-a), not by `c`", None),
            ("a--", begin(&a, &a), 0, "`a` (space space-a) is what is searched already", None),
            ("b-a", begin(&b, &c), 0, "the set before, by `a`", None),
            ("b--", begin(&b, &c), 0, "bc-", None),
            ("ab-", RoleChange::CutOver, 0, "b-a", None),
            ("ab-", RoleChange::CutOver, 3, "3 passages have no embedding by `b`", None),
            ("a--", RoleChange::CutOver, 0, "no second set", None),
            ("---", RoleChange::CutOver, 0, "no second set", None),
            ("b-a", RoleChange::RollBack, 5, "ab-", None),
            ("ab-", RoleChange::RollBack, 0, "there is no set of embeddings from before", None),
            ("b-a", RoleChange::DropOld, 0, "b--", Some("space-a")),
            ("b--", RoleChange::DropOld, 0, "there is no set of embeddings from before", None),
            ("ab-", RoleChange::Abandon, 9, "a--", Some("space-b")),
            ("b-a", RoleChange::Abandon, 0, "no second set", None),
        ] {
            let case = format!("{before} {change:?}");
            match roles(before).after(change, missing) {
                Ok((changed, gone)) => {
                    assert_eq!((letters(&changed).as_str(), gone.as_deref()), (after, dropped), "{case}")
                }
                Err(problem) => assert!(problem.to_string().starts_with(after), "{case}: {problem}"),
            }
        }
    }
}
