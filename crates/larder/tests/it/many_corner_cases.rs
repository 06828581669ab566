//! Loads of many keys where something is out of the ordinary.

use std::sync::Arc;

use larder::{ErrorKind, LoadPolicy, Loaded, Space};
use tokio::sync::Semaphore;

use crate::stacks::{memory, secs};

type Failure = std::io::Error;

async fn load(space: &Space<u32>, ids: &[u32]) -> Vec<Option<u32>> {
    let tens =
        |ids: Vec<u32>| async move { Ok::<_, Failure>(ids.into_iter().map(|id| (id, id * 10))) };
    let found = space.get_many_or_load(ids.to_vec(), tens).await.unwrap();
    found
        .iter()
        .map(|value| value.as_deref().copied())
        .collect()
}

#[tokio::test]
async fn while_bypassed_an_id_that_is_there_twice_has_its_value_twice() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    stack.cache.bypass(true);
    assert_eq!(load(&space, &[1, 2, 1]).await, [10, 20, 10].map(Some));
}

#[tokio::test]
async fn while_bypassed_not_modified_is_an_error_and_no_absence() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    stack.cache.bypass(true);
    let loader = |ids: Vec<u32>| async move {
        let same = |id| (id, Loaded::<u32>::not_modified());
        Ok::<_, Failure>(ids.into_iter().map(same))
    };
    let outcome = space.get_many_or_load([1], loader).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Load);
}

#[tokio::test]
async fn while_bypassed_an_error_names_its_key() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    stack.cache.bypass(true);
    let down = |_| async { Err::<Vec<(u32, u32)>, _>(Failure::other("down")) };
    let error = space.get_many_or_load([1], down).await.unwrap_err();
    assert_eq!(error.key(), Some("1"));
}

#[tokio::test]
async fn while_bypassed_a_panic_is_counted_once_for_each_key() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    stack.cache.bypass(true);
    let panics = |_| async { panic!("a bug") as Result<Vec<(u32, u32)>, Failure> };
    space.get_many_or_load([1, 2], panics).await.unwrap_err();
    assert_eq!(stack.cache.stats().load_failures, 2);
}

#[tokio::test]
async fn while_bypassed_what_nobody_has_asked_for_is_counted() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    stack.cache.bypass(true);
    let more = |_| async { Ok::<_, Failure>([(1u32, 1u32), (2, 2)]) };
    space.get_many_or_load([1], more).await.unwrap();
    assert_eq!(stack.cache.stats().extra_keys, 1);
}

#[tokio::test]
async fn a_panic_is_a_failure_of_each_key() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    let panics = |_| async { panic!("a bug") as Result<Vec<(u32, u32)>, Failure> };
    space.get_many_or_load([1, 2], panics).await.unwrap_err();
    assert_eq!(stack.cache.stats().load_failures, 2);
}

#[tokio::test]
async fn an_id_that_is_there_twice_is_one_waiter() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    let space = space.load_policy(LoadPolicy::new().max_waiters(1));
    assert_eq!(load(&space, &[1, 1]).await, [10, 10].map(Some));
}

#[tokio::test]
async fn a_batch_that_is_turned_away_names_the_key() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    let space = space.load_policy(LoadPolicy::new().max_waiters(1));
    let gate = Arc::new(Semaphore::new(0));
    let (entered, first) = (Arc::clone(&gate), space.clone());
    let loading = tokio::spawn(async move {
        let loader = || async move {
            let _pass = entered.acquire().await.unwrap();
            Ok::<_, Failure>(1u32)
        };
        first.get_or_load("1", loader).await
    });
    while stack.cache.loads_in_progress() == 0 {
        tokio::task::yield_now().await;
    }
    let never = |_| async { panic!("not called") as Result<Vec<(u32, u32)>, Failure> };
    let error = space.get_many_or_load([1], never).await.unwrap_err();
    gate.add_permits(1);
    loading.await.unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.key(), Some("1"));
}

#[tokio::test]
async fn a_refresh_that_another_batch_is_at_is_not_counted_again() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    let policy = LoadPolicy::new().stale_while_revalidate();
    let space = space.load_policy(policy).stale_for(secs(3_600));
    space.set("1", 1u32).ttl(secs(60)).await.unwrap();
    stack.clock.advance(secs(61));
    let gate = Arc::new(Semaphore::new(0));
    for _ in 0..2 {
        let gate = Arc::clone(&gate);
        let slow = move |ids: Vec<u32>| {
            let gate = Arc::clone(&gate);
            async move {
                let _pass = gate.acquire().await.unwrap();
                Ok::<_, Failure>(ids.into_iter().map(|id| (id, 2u32)))
            }
        };
        space.get_many_or_load([1], slow).await.unwrap();
    }
    gate.add_permits(2);
    while stack.cache.loads_in_progress() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stack.cache.stats().refreshes, 1);
}

#[tokio::test]
async fn keys_of_one_batch_do_not_ask_for_each_other_in_a_cycles_message() {
    let stack = memory().await;
    let space = stack.cache.space::<u32>("n");
    let inner = space.clone();
    let around = move |ids: Vec<u32>| {
        let inner = inner.clone();
        async move {
            let own = inner.get_or_load("2", || async { Ok::<_, Failure>(2u32) });
            let error = own.await.unwrap_err();
            assert!(
                error.message().ends_with("n:2 -> n:2"),
                "1 has not asked for 2: {error}"
            );
            Ok::<_, Failure>(ids.into_iter().map(|id| (id, id)))
        }
    };
    space.get_many_or_load([1, 2], around).await.unwrap();
}
