//! The checker: whether a history could have happened with every promise kept. It knows nothing of how larder
//! works.
//!
//! | file | what |
//! | --- | --- |
//! | `history.rs` | the files of a run as operations, loads and looks |
//! | `quiet.rs` | from when on a node must have heard of what was done |
//! | `levels.rs` | what had been invalidated, up to which version of the origin |
//! | `rules.rs` | the rules, one function each |
//! | `excerpt.rs` | the part of a history that a violation is about |

mod excerpt;
mod history;
mod levels;
mod quiet;
mod rules;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use self::history::History;

/// What was found in a history.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// In words, the first ones with an excerpt.
    pub(crate) violations: Vec<String>,
    /// How much there was to be wrong.
    pub(crate) summary: String,
}

/// How many violations are told in full: the first is what one looks at.
const IN_FULL: usize = 1;
/// And how many at all.
const TOLD: usize = 8;

/// Checks the histories in a folder.
pub(crate) fn check(folder: &Path) -> io::Result<Verdict> {
    let history = History::read(folder)?;
    let (violations, coverage) = rules::check(&history);
    let count = violations.len();
    let mut told: Vec<String> = Vec::new();
    for violation in violations.iter().take(TOLD) {
        let mut text = violation.to_string();
        if told.len() < IN_FULL {
            text.push('\n');
            text.push_str(&excerpt::excerpt(&history, violation));
        }
        told.push(text);
    }
    if count > TOLD {
        told.push(format!("and {} more", count - TOLD));
    }
    Ok(Verdict {
        violations: told,
        summary: format!("{coverage}; {count} violations"),
    })
}
