//! Whether two answers are the same.

use larder_core::{BatchReply, Entry, Head, Lease, Result, Updated};

use crate::suite::expect::{entry_difference, head_difference, time_difference};

type Difference = std::result::Result<(), String>;

fn none_or(difference: Option<String>) -> Difference {
    difference.map_or(Ok(()), Err)
}

pub(super) fn entries(answered: Option<&Entry>, expected: Option<&Entry>) -> Difference {
    match (answered, expected) {
        (None, None) => Ok(()),
        (Some(answered), Some(expected)) => none_or(entry_difference(answered, expected)),
        (answered, expected) => Err(format!("answered {answered:?}, expected {expected:?}")),
    }
}

fn heads(answered: Option<&Head>, expected: Option<&Head>) -> Difference {
    match (answered, expected) {
        (None, None) => Ok(()),
        (Some(answered), Some(expected)) => none_or(head_difference(answered, expected)),
        (answered, expected) => Err(format!("answered {answered:?}, expected {expected:?}")),
    }
}

pub(super) fn replies(answered: &Result<BatchReply>, expected: &Result<BatchReply>) -> Difference {
    let same = match (answered, expected) {
        (Err(answered), Err(expected)) => answered.kind() == expected.kind(),
        (Ok(BatchReply::Entry(answered)), Ok(BatchReply::Entry(expected))) => {
            return entries(answered.as_ref(), expected.as_ref());
        }
        (Ok(BatchReply::Head(answered)), Ok(BatchReply::Head(expected))) => {
            return heads(answered.as_ref(), expected.as_ref());
        }
        (Ok(BatchReply::Stored), Ok(BatchReply::Stored)) => true,
        (Ok(BatchReply::Deleted(answered)), Ok(BatchReply::Deleted(expected))) => {
            answered == expected
        }
        (Ok(BatchReply::Expired(answered)), Ok(BatchReply::Expired(expected))) => {
            answered == expected
        }
        (Ok(BatchReply::Updated(answered)), Ok(BatchReply::Updated(expected))) => {
            match (answered, expected) {
                (Updated::Counter(answered), Updated::Counter(expected)) => answered == expected,
                (Updated::Stored, Updated::Stored) | (Updated::Refused, Updated::Refused) => true,
                (Updated::Taken(answered), Updated::Taken(expected)) => {
                    return entries(answered.as_ref(), expected.as_ref());
                }
                _ => false,
            }
        }
        _ => false,
    };
    same_or(same, answered, expected)
}

pub(super) fn leases(answered: &Lease, expected: &Lease) -> Difference {
    match (answered, expected) {
        (Lease::Granted { seen: answered, .. }, Lease::Granted { seen: expected, .. }) => {
            entries(answered.as_ref(), expected.as_ref())
        }
        (Lease::Held { until: answered }, Lease::Held { until: expected }) => {
            none_or(time_difference(*answered, *expected, "until"))
        }
        (Lease::Present(answered), Lease::Present(expected)) => {
            none_or(entry_difference(answered, expected))
        }
        _ => same_or(false, answered, expected),
    }
}

pub(super) fn listings(answered: &[(String, Head)], expected: &[(String, Head)]) -> Difference {
    let keys = |listing: &[(String, Head)]| {
        listing
            .iter()
            .map(|(key, _)| key.clone())
            .collect::<Vec<_>>()
    };
    same_or(
        keys(answered) == keys(expected),
        &keys(answered),
        &keys(expected),
    )?;
    for ((key, answered), (_, expected)) in answered.iter().zip(expected) {
        heads(Some(answered), Some(expected))
            .map_err(|why| format!("head of {key:?} in a scan: {why}"))?;
    }
    Ok(())
}

pub(super) fn same_or<T: std::fmt::Debug + ?Sized>(
    same: bool,
    answered: &T,
    expected: &T,
) -> Difference {
    if same {
        Ok(())
    } else {
        Err(format!("answered {answered:?}, expected {expected:?}"))
    }
}
