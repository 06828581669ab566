//! What a stack says about itself: numbers, findings, and what it could not do before it closed.

use std::borrow::Cow;
use std::time::Duration;

/// The numbers of one tier. What a tier doesn't count is zero, or `None` where zero would mislead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// The tier's name: `memory`, `redis`, or a backend's own.
    pub name: Cow<'static, str>,
    /// Look-ups that found an entry, fresh or stale.
    pub hits: u64,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// Entries held now, without those that have expired; `None` if counting is not for free.
    pub entries: Option<u64>,
    /// Bytes held now by the tier's own measure.
    pub bytes: Option<u64>,
    /// The limit on `bytes`, if there is one.
    pub max_bytes: Option<u64>,
    /// Look-ups that found bytes which are no readable entry: damaged, foreign, of a later format. They
    /// count as misses too.
    pub unreadable: u64,
    /// Entries dropped for lack of room.
    pub evicted: u64,
    /// Entries dropped because their time was over.
    pub expired: u64,
}

impl TierStats {
    /// A tier that has counted nothing yet.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// How urgent a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Will hurt some day.
    Warning,
    /// Doesn't work.
    Error,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How urgent it is.
    pub severity: Severity,
    /// What was found and what to do about it.
    pub message: Cow<'static, str>,
}

/// What checking one tier gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TierCheck {
    /// The tier's name.
    pub name: Cow<'static, str>,
    /// How long a round trip took.
    pub latency: Duration,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl TierCheck {
    /// A tier where nothing was found yet.
    pub fn new(name: impl Into<Cow<'static, str>>, latency: Duration) -> Self {
        Self {
            name: name.into(),
            latency,
            findings: Vec::new(),
        }
    }

    /// Adds a finding.
    pub fn with_finding(
        mut self,
        severity: Severity,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.findings.push(Finding {
            severity,
            message: message.into(),
        });
        self
    }

    /// Whether nothing that was found is an error.
    pub fn is_healthy(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity < Severity::Error)
    }
}

/// What was left when a stack was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Writes and invalidations that were accepted and could not be delivered.
    pub undelivered: u64,
}

impl CloseReport {
    /// Reports undelivered writes.
    pub fn with_undelivered(self, undelivered: u64) -> Self {
        Self { undelivered }
    }
}
