//! The conformance suite, case by case: the contract of [`Backend`](larder_core::Backend) in executable
//! form. The name of a case is the promise, with its code where `docs/promises.md` has one; its comment
//! says it in a sentence; it panics in the domain's words where the promise is broken.
//!
//! Every case runs on every backend. One about an ability that the backend doesn't claim checks that
//! the operation answers [`ErrorKind::Unsupported`](larder_core::ErrorKind::Unsupported) and does nothing.
//!
//! [`conformance!`](crate::conformance) makes a test of each; [`CASES`] is for a harness of your own.
#![expect(
    clippy::missing_panics_doc,
    reason = "a case panics where its promise is broken; that is what it is for"
)]

mod ability;
mod calls;
mod expect;

pub mod absence;
pub mod batch;
pub mod concurrency;
pub mod conditional;
pub mod counters;
pub mod expire;
pub mod fill;
pub mod heads;
pub mod immediate;
pub mod keys;
pub mod late_fill;
pub mod lease;
pub mod lifetimes;
pub mod markers;
pub mod placeholder;
pub mod random;
pub mod regions;
pub mod round_trip;
pub mod scan;
pub mod service;
pub mod watch;

use std::fmt;
use std::pin::Pin;

use crate::Subject;

/// A case on its way. It wants a runtime with more than one thread.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// What the case is about: the module it is in.
    pub topic: &'static str,
    /// The promise.
    pub name: &'static str,
    /// Checks it on a subject of its own.
    pub run: for<'a> fn(&'a Subject) -> Running<'a>,
}

impl Case {
    /// The case of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.topic, self.name)
    }
}

macro_rules! list {
    (() $($topic:ident: $($case:ident),+;)+) => {
        /// All cases, by topic.
        pub const CASES: &[Case] = &[$($(Case {
            topic: stringify!($topic),
            name: stringify!($case),
            run: |subject| Box::pin($topic::$case(subject)),
        }),+),+];
    };
}

crate::__for_each_case!(list);

#[cfg(test)]
mod tests {
    use super::*;

    /// The list is written by hand, in `conformance.rs`, because a macro can't read files.
    #[test]
    fn no_case_is_missing_from_the_list() {
        let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/src/suite");
        let mut folders = vec![std::path::PathBuf::from(suite)];
        let mut written = Vec::new();
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(path).unwrap();
                let cases = source
                    .lines()
                    .filter_map(|line| line.strip_prefix("pub async fn "));
                written.extend(cases.map(|case| case.split('(').next().unwrap().to_owned()));
            }
        }
        written.sort_unstable();
        let mut listed: Vec<_> = CASES.iter().map(|case| case.name).collect();
        listed.sort_unstable();
        assert_eq!(written, listed);
    }

    #[test]
    fn no_two_cases_have_the_same_name() {
        let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
    }
}
