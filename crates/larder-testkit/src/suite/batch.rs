//! Batches: the same answers as one by one, in the order of the question.

use std::time::Duration;

use larder_core::{BatchOperation, BatchReply, Expiry, Result, Update, Updated, Value};

use super::expect;
use crate::Subject;

#[track_caller]
fn entry(reply: &Result<BatchReply>) -> Option<larder_core::Entry> {
    match reply {
        Ok(BatchReply::Entry(entry)) => entry.clone(),
        other => panic!("a get in a batch answered {other:?}"),
    }
}

/// No operation, no reply.
pub async fn an_empty_batch_answers_nothing(subject: &Subject) {
    assert!(
        subject.batch(Vec::new()).await.is_empty(),
        "an empty batch has no replies"
    );
}

/// The first reply is to the first operation, whatever their keys hash to and whatever is missing.
pub async fn replies_are_in_the_order_of_the_operations(subject: &Subject) {
    let names: Vec<String> = (0..50).map(|n| format!("k{n}")).collect();
    for name in names.iter().step_by(2) {
        subject.set(name, &subject.entry(name)).await;
    }
    let gets = names
        .iter()
        .map(|name| BatchOperation::Get(subject.key(name)))
        .collect();
    for (at, (name, reply)) in names.iter().zip(subject.batch(gets).await).enumerate() {
        let answer = entry(&reply).as_ref().map(expect::text);
        let expected = at.is_multiple_of(2).then(|| name.clone());
        assert_eq!(answer, expected, "the reply in place {at} of the batch");
    }
}

/// An operation sees what an earlier one of the same batch did to its key.
pub async fn an_operation_sees_what_came_before_it_in_the_batch(subject: &Subject) {
    let (a, b) = (subject.key("a"), subject.key("b"));
    let (first, second) = (subject.entry("first"), subject.entry("second"));
    let replies = subject
        .batch(vec![
            BatchOperation::Get(a),
            BatchOperation::Set(a, first.clone()),
            BatchOperation::Get(a),
            BatchOperation::Set(b, first.clone()),
            BatchOperation::Set(a, second.clone()),
            BatchOperation::Get(a),
            BatchOperation::Delete(a),
            BatchOperation::Get(a),
            BatchOperation::Delete(a),
            BatchOperation::Get(b),
        ])
        .await;
    expect::nothing(entry(&replies[0]), "before the set in the batch");
    expect::holds(
        entry(&replies[2]),
        &first,
        "after the first set in the batch",
    );
    expect::holds(
        entry(&replies[5]),
        &second,
        "after the second set in the batch",
    );
    expect::nothing(entry(&replies[7]), "after the delete in the batch");
    expect::holds(entry(&replies[9]), &first, "the other key of the batch");
    let deletions = [6, 8].map(|at: usize| match &replies[at] {
        Ok(BatchReply::Deleted(deletion)) => deletion.existed(),
        other => panic!("a delete in a batch answered {other:?}"),
    });
    assert_eq!(
        deletions,
        [true, false],
        "whether an entry was there to delete"
    );
    expect::nothing(subject.get("a").await, "after the batch");
    expect::holds(subject.get("b").await, &first, "after the batch");
}

/// One operation that fails has an error for its reply; those after it are done.
pub async fn an_error_does_not_stop_the_others(subject: &Subject) {
    let (a, b) = (subject.key("a"), subject.key("b"));
    let (plain, later) = (subject.entry("no counter"), subject.entry("later"));
    let template = subject.entry("");
    let replies = subject
        .batch(vec![
            BatchOperation::Set(a, plain.clone()),
            // Fails everywhere: where there are no counters, and because this is none.
            BatchOperation::Update(a, Update::Increment { by: 1, template }),
            BatchOperation::Set(b, later.clone()),
            BatchOperation::Get(a),
        ])
        .await;
    assert!(
        replies[1].is_err(),
        "an increment of no counter answered {:?}",
        replies[1]
    );
    assert!(
        matches!(replies[2], Ok(BatchReply::Stored)),
        "the operation after it is done"
    );
    expect::holds(
        entry(&replies[3]),
        &plain,
        "after the increment that failed",
    );
    expect::holds(
        subject.get("b").await,
        &later,
        "set after an operation that failed",
    );
}

/// Every operation of a batch answers and does what the method of its name does.
pub async fn c8_a_batch_agrees_with_single_operations(subject: &Subject) {
    let (a, b, c) = (subject.key("a"), subject.key("b"), subject.key("c"));
    let stored = subject.entry("x");
    subject.set("a", &stored).await;
    subject.set("b", &subject.entry("y")).await;
    let template = larder_core::Entry::new(
        Value::counter(0),
        subject.lifetime(Subject::LONG, Duration::ZERO),
    );
    let longer = subject.lifetime(Subject::LONG * 2, Duration::ZERO);
    let replies = subject
        .batch(vec![
            BatchOperation::Head(a),
            BatchOperation::Invalidate(b),
            BatchOperation::Get(b),
            BatchOperation::Expire(a, Expiry::new(longer)),
            BatchOperation::Expire(b, Expiry::new(longer)),
            BatchOperation::Update(
                c,
                Update::Increment {
                    by: 3,
                    template: template.clone(),
                },
            ),
            BatchOperation::Update(c, Update::Increment { by: 4, template }),
            BatchOperation::Update(b, Update::SetIfAbsent(stored.clone())),
            BatchOperation::Update(b, Update::Take),
        ])
        .await;
    match &replies[0] {
        Ok(BatchReply::Head(Some(head))) => {
            expect::same_head(head, stored.head(), "head in a batch");
        }
        other => panic!("a head in a batch answered {other:?}"),
    }
    assert!(
        matches!(&replies[1], Ok(BatchReply::Deleted(deletion)) if deletion.existed()),
        "an invalidate in a batch answered {:?}",
        replies[1]
    );
    expect::nothing(entry(&replies[2]), "after the invalidate in the batch");
    let can = subject.capability();
    claimed(can.expire, &replies[3], |reply| {
        matches!(reply, BatchReply::Expired(true))
    });
    claimed(can.expire, &replies[4], |reply| {
        matches!(reply, BatchReply::Expired(false))
    });
    let counted = |n| move |reply: &BatchReply| matches!(reply, BatchReply::Updated(Updated::Counter(m)) if *m == n);
    claimed(can.counters, &replies[5], counted(3));
    claimed(can.counters, &replies[6], counted(7));
    claimed(can.conditional, &replies[7], |reply| {
        matches!(reply, BatchReply::Updated(Updated::Stored))
    });
    claimed(
        can.conditional,
        &replies[8],
        |reply| matches!(reply, BatchReply::Updated(Updated::Taken(Some(entry))) if entry.id() == stored.id()),
    );
    if can.expire {
        let answer = subject.get("a").await.expect("expired to a later time");
        expect::same_time(
            answer.head().lifetime().expires_at,
            longer.expires_at,
            "expires_at",
            "after the batch",
        );
    }
}

#[track_caller]
fn claimed(ability: bool, reply: &Result<BatchReply>, expected: impl Fn(&BatchReply) -> bool) {
    match reply {
        Ok(reply) if ability => assert!(expected(reply), "a batch answered {reply:?}"),
        Err(error) if !ability => {
            assert_eq!(
                error.kind(),
                larder_core::ErrorKind::Unsupported,
                "an ability that isn't claimed"
            );
        }
        other => panic!("a batch answered {other:?}"),
    }
}
