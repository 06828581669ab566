//! From when on a node must have heard of what was done.
//!
//! Two bounds, and the earlier one counts. A stretch of [`DELAY`] in which nothing was in the way, neither of the
//! node's network nor of any process, is enough. So is a time of [`BLIND`] in which the node ran, whatever its
//! network did: by then it has noticed that it hears nothing.

use crate::bounds::{BLIND, DELAY};
use crate::check::history::{History, Span};
use crate::moment::Moment;

/// What one node has to do with.
#[derive(Debug)]
pub(super) struct Quiet {
    /// When anything was in its way; apart from each other, in their order.
    disturbed: Vec<Span>,
    /// When it didn't run; the same.
    stalled: Vec<Span>,
}

impl Quiet {
    pub(super) fn of(history: &History, node: u8) -> Self {
        let stalls = history.stalls.iter();
        let stalled: Vec<Span> = stalls
            .filter(|(whose, _)| *whose == node)
            .map(|(_, span)| *span)
            .collect();
        let faults = history.faults.iter();
        let faults = faults
            .filter(|(whose, _)| whose.is_none_or(|whose| whose == node))
            .map(|(_, span)| *span);
        Self {
            disturbed: merged(faults.chain(stalled.iter().copied()).collect()),
            stalled: merged(stalled),
        }
    }

    /// The moment of which this is true: what was done before it has been heard of, or its consequences, by the
    /// node at `at`. `None` if there is no such moment.
    pub(super) fn horizon(&self, at: Moment) -> Option<Moment> {
        self.by_delay(at).max(self.by_heartbeat(at))
    }

    /// Goes back from gap to gap, to the last one that was long enough.
    fn by_delay(&self, at: Moment) -> Option<Moment> {
        let mut end = at;
        let before = self.disturbed.partition_point(|span| span.from < at);
        for span in self.disturbed[..before].iter().rev() {
            let begin = span.to.min(at);
            if end >= begin + DELAY {
                return Some(end - DELAY);
            }
            end = span.from;
        }
        end.checked_sub(DELAY)
    }

    /// Goes back until the node has run for long enough.
    fn by_heartbeat(&self, at: Moment) -> Option<Moment> {
        let (mut end, mut left) = (at, BLIND);
        let before = self.stalled.partition_point(|span| span.from < at);
        for span in self.stalled[..before].iter().rev() {
            let ran = end.saturating_sub(span.to.min(at));
            if ran >= left {
                break;
            }
            left -= ran;
            end = span.from;
        }
        end.checked_sub(left)
    }

    /// How long it was stalled in a span.
    pub(super) fn stalled_in(&self, from: Moment, to: Moment) -> Moment {
        let first = self.stalled.partition_point(|span| span.to <= from);
        let overlap = |span: &Span| span.to.min(to).saturating_sub(span.from.max(from));
        let overlapping = self.stalled[first..].iter();
        overlapping
            .take_while(|span| span.from < to)
            .map(overlap)
            .sum()
    }
}

/// Spans that overlap as one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => apart.push(span),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::millis;

    fn quiet(disturbed: &[(u64, u64)], stalled: &[(u64, u64)]) -> Quiet {
        let spans = |list: &[(u64, u64)]| {
            let spans = list.iter().map(|(from, to)| Span {
                from: millis(*from),
                to: millis(*to),
            });
            merged(spans.collect())
        };
        Quiet {
            disturbed: spans(&[disturbed, stalled].concat()),
            stalled: spans(stalled),
        }
    }

    fn horizon(quiet: &Quiet, at: u64) -> u64 {
        quiet.horizon(millis(at)).unwrap() / millis(1)
    }

    #[test]
    fn undisturbed_it_is_the_delay() {
        assert_eq!(horizon(&quiet(&[], &[]), 5_000), 4_750);
        assert_eq!(quiet(&[], &[]).horizon(millis(10)), None);
    }

    #[test]
    fn a_stretch_that_is_too_short_does_not_count() {
        let quiet = quiet(&[(4_600, 4_800)], &[]);
        // The stretch before the fault was long enough, the one after it not yet.
        assert_eq!(horizon(&quiet, 5_000), 4_350);
        assert_eq!(horizon(&quiet, 5_100), 4_850);
    }

    #[test]
    fn within_a_fault_the_heartbeats_count() {
        let quiet = quiet(&[(3_000, 9_000)], &[]);
        assert_eq!(horizon(&quiet, 3_200), 2_750);
        assert_eq!(horizon(&quiet, 5_000), 4_250);
    }

    #[test]
    fn a_stopped_node_notices_nothing() {
        let quiet = quiet(&[(1_000, 9_000)], &[(4_000, 5_900)]);
        assert_eq!(horizon(&quiet, 6_000), 6_000 - 100 - 1_900 - 650);
    }

    #[test]
    fn spans_that_overlap_are_one() {
        let quiet = quiet(&[(4_000, 4_700), (4_500, 4_600)], &[]);
        assert_eq!(horizon(&quiet, 4_900), 4_150);
        assert_eq!(quiet.stalled_in(0, millis(9_000)), 0);
    }
}
