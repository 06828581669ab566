//! A1: trouble with the cache never fails a load.

use larder::{ErrorKind, Operation};

use crate::stacks::{chaos, secs};

#[tokio::test]
async fn a1_a_load_succeeds_whatever_the_store_fails_at() {
    for operation in [
        Operation::Get,
        Operation::Lease,
        Operation::Fill,
        Operation::Markers,
    ] {
        let (stack, chaos) = chaos().await;
        let space = stack.cache.space::<u32>("n");
        chaos.rule(move |call| {
            (call.operation == operation)
                .then_some(larder_testkit::Fault::Fail(ErrorKind::Unavailable))
        });
        if operation == Operation::Markers {
            // The generation is asked for again after a change.
            let _ = stack.cache.clear().await;
        }
        let loaded = space
            .get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) })
            .await;
        assert_eq!(
            *loaded.unwrap_or_else(|error| panic!("{operation} failed the load: {error}")),
            1
        );
        assert!(
            stack.cache.stats().errors > 0,
            "{operation}: the error is counted"
        );
        assert_eq!(stack.cache.loads_in_progress(), 0);
    }
}

#[tokio::test]
async fn a1_a_load_succeeds_when_everything_fails() {
    let (stack, chaos) = chaos().await;
    let space = stack.cache.space::<u32>("n");
    chaos.break_down(ErrorKind::Unavailable);
    let loaded = space
        .get_or_load("k", || async { Ok::<_, std::io::Error>(1u32) })
        .await
        .unwrap();
    assert_eq!(*loaded, 1);
    // Without a load to fall back on the trouble is the caller's.
    assert_eq!(
        space.get("k").await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        space.set("k", 2u32).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    chaos.heal();
    assert_eq!(space.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn a1_a_value_that_cannot_be_kept_is_still_returned() {
    let limits = larder::Limits::default().with_max_value_bytes(10);
    let stack = crate::stacks::memory_with(|builder| builder.limits(limits)).await;
    let space = stack.cache.space::<String>("n");
    let loaded = space
        .get_or_load("k", || async { Ok::<_, std::io::Error>("x".repeat(100)) })
        .await
        .unwrap();
    assert_eq!(loaded.len(), 100);
    assert_eq!(space.get("k").await.unwrap(), None);
    assert_eq!(stack.cache.stats().errors, 1);
}

#[tokio::test]
async fn a1_a_stale_value_stands_in_for_a_failing_origin() {
    for stack in crate::stacks::all().await {
        let space = stack.cache.space::<u32>("n");
        space
            .set("k", 1u32)
            .ttl(secs(10))
            .stale_for(secs(100))
            .await
            .unwrap();
        stack.clock.advance(secs(20));
        assert_eq!(
            space.get("k").await.unwrap(),
            None,
            "{}: a stale value is not fresh",
            stack.name
        );
        let fail = || async { Err::<u32, _>("the origin is down") };
        assert_eq!(
            *space.get_or_load("k", fail).await.unwrap(),
            1,
            "{}",
            stack.name
        );
        assert_eq!(stack.cache.stats().stale_served, 1, "{}", stack.name);
        stack.clock.advance(secs(100));
        let gone = space.get_or_load("k", fail).await.unwrap_err();
        assert_eq!(
            gone.kind(),
            ErrorKind::Load,
            "{}: not after it has expired",
            stack.name
        );
    }
}
