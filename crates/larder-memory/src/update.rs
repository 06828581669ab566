//! What counters and conditional writes make of the entry that is present.

use larder_core::{Entry, Error, ErrorKind, Operation, Result, Update, Updated, Value};

/// What is to be done, and what is answered.
pub(crate) enum Decided {
    Store(Entry, Updated),
    /// The entry that is present goes, and is answered.
    Take(Entry),
    Nothing(Updated),
}

/// Decides without doing anything: whoever asks holds the key's stripe.
pub(crate) fn decide(update: Update, present: Option<Entry>) -> Result<Decided> {
    Ok(match (update, present) {
        (Update::Increment { by, template }, None) => {
            Decided::Store(template.with_counter(by), Updated::Counter(by))
        }
        (Update::Increment { by, template }, Some(present)) => {
            let sum = add(&present, by)?;
            let counter = present
                .with_value(Value::counter(sum))
                .with_id(template.id());
            Decided::Store(counter, Updated::Counter(sum))
        }
        (Update::SetIfAbsent(entry), None) => Decided::Store(entry, Updated::Stored),
        (Update::ReplaceIf { id, entry }, Some(present)) if present.id() == id => {
            Decided::Store(entry, Updated::Stored)
        }
        (Update::SetIfAbsent(_), Some(_)) | (Update::ReplaceIf { .. }, _) => {
            Decided::Nothing(Updated::Refused)
        }
        (Update::Take, None) => Decided::Nothing(Updated::Taken(None)),
        (Update::Take, Some(present)) => Decided::Take(present),
        (_, _) => return Err(Error::unsupported(Operation::Update)),
    })
}

fn add(present: &Entry, by: i64) -> Result<i64> {
    let value = present.value().as_counter().ok_or_else(|| {
        Error::new(
            ErrorKind::NotACounter,
            "the key holds a value that is not a counter",
        )
        .with_operation(Operation::Update)
    })?;
    value.checked_add(by).ok_or_else(|| {
        Error::new(
            ErrorKind::CounterOverflow,
            format!("{value} + {by} leaves the range of a 64-bit integer"),
        )
        .with_operation(Operation::Update)
    })
}
