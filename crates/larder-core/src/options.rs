//! What a call may ask for beside its subject.

use crate::{Bump, Entry, Timestamp, View};

/// Which tiers a call touches. A single backend is both the nearest and the authoritative tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tiers {
    /// Every tier.
    #[default]
    All,
    /// Only the nearest: memory.
    Nearest,
    /// Only the last: the one that knows.
    Authoritative,
}

/// Options of reads: `get`, `head`, `scan`, `markers`, `check`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// When the caller stops waiting. Default: none; a remote backend has its own limit.
    pub deadline: Option<Timestamp>,
    /// Which tiers to ask. Default: all.
    pub tiers: Tiers,
    /// What counts as present. Default: everything. Only what must decide inside the backend heeds
    /// it; the caller of a plain read judges the entry itself.
    pub view: View,
}

/// Options of writes: `set`, `delete`, `invalidate`, `expire`, `update`, `batch`, `fill`, `release`, `bump`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// When the caller stops waiting. Default: none; a remote backend has its own limit.
    pub deadline: Option<Timestamp>,
    /// Which tiers to write. Default: all.
    pub tiers: Tiers,
    /// What counts as present, for counters, conditional writes and `expire`. Default: everything.
    pub view: View,
    /// What `bump` does to what carries the markers' versions. Default: it is gone.
    pub bump: Bump,
}

/// Options of `lease`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LeaseOptions {
    /// When the caller stops waiting. Default: none.
    pub deadline: Option<Timestamp>,
    /// When a lease ends by itself, should its holder die.
    pub until: Timestamp,
    /// What to do about a fresh entry. Default: [`LeaseMode::Load`].
    pub mode: LeaseMode,
    /// What counts as present. Default: everything.
    pub view: View,
    /// An entry as it will be filled, without its value: its tags are stamped before the load begins.
    pub template: Option<Entry>,
}

/// What `lease` does about a fresh entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LeaseMode {
    /// Answers [`Lease::Present`](crate::Lease::Present): somebody else has loaded it.
    #[default]
    Load,
    /// Grants a lease to replace it.
    Refresh,
}

macro_rules! common {
    ($type:ident $(, $tiers:ident)?) => {
        impl $type {
            /// Sets when the caller stops waiting.
            pub fn with_deadline(self, deadline: Timestamp) -> Self {
                Self { deadline: Some(deadline), ..self }
            }

            /// Sets what counts as present.
            pub fn with_view(self, view: View) -> Self {
                Self { view, ..self }
            }

            $(/// Sets which tiers the call touches.
            pub fn with_tiers(self, $tiers: Tiers) -> Self {
                Self { $tiers, ..self }
            })?
        }
    };
}

common!(ReadOptions, tiers);
common!(WriteOptions, tiers);
common!(LeaseOptions);

impl WriteOptions {
    /// Sets what `bump` does.
    pub fn with_bump(self, bump: Bump) -> Self {
        Self { bump, ..self }
    }
}

impl LeaseOptions {
    /// A lease that ends by itself at `until`.
    pub fn until(until: Timestamp) -> Self {
        Self {
            deadline: None,
            until,
            mode: LeaseMode::Load,
            view: View::default(),
            template: None,
        }
    }

    /// Sets what to do about a fresh entry.
    pub fn with_mode(self, mode: LeaseMode) -> Self {
        Self { mode, ..self }
    }

    /// Sets the entry that will be filled, for its tags.
    pub fn with_template(self, template: Entry) -> Self {
        Self {
            template: Some(template),
            ..self
        }
    }
}
