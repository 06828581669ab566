//! C6: counters and conditional writes act once.

use larder::ErrorKind;

use crate::stacks::{all, secs};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c6_concurrent_increments_lose_nothing() {
    for stack in all().await {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let cache = stack.cache.clone();
                tokio::spawn(async move {
                    for _ in 0..250 {
                        cache.increment("n", 1).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(
            stack.cache.get::<i64>("n").await.unwrap().as_deref(),
            Some(&2_000),
            "{}",
            stack.name
        );
    }
}

#[tokio::test]
async fn c6_a_counter_never_wraps() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        cache.set("n", i64::MAX).await.unwrap();
        let error = cache.increment("n", 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CounterOverflow, "{name}");
        assert_eq!(
            cache.get::<i64>("n").await.unwrap().as_deref(),
            Some(&i64::MAX),
            "{name}"
        );
        assert_eq!(
            cache.decrement("n", i64::MIN).await.unwrap_err().kind(),
            ErrorKind::CounterOverflow,
            "{name}"
        );
        cache.set("text", "one".to_owned()).await.unwrap();
        assert_eq!(
            cache.increment("text", 1).await.unwrap_err().kind(),
            ErrorKind::NotACounter,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c6_of_many_conditional_writers_one_wins() {
    for stack in all().await {
        let space = stack.cache.space::<u32>("n");
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..16u32 {
            let space = space.clone();
            tasks.spawn(async move { space.set_if_absent("k", n).await.unwrap() });
        }
        let won = tasks
            .join_all()
            .await
            .into_iter()
            .filter(|won| *won)
            .count();
        assert_eq!(won, 1, "{}", stack.name);

        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let space = space.clone();
            tasks.spawn(async move { space.take("k").await.unwrap().is_some() });
        }
        let taken = tasks
            .join_all()
            .await
            .into_iter()
            .filter(|taken| *taken)
            .count();
        assert_eq!(taken, 1, "{}", stack.name);
    }
}

#[tokio::test]
async fn c6_what_look_ups_do_not_see_is_absent_to_conditional_writes() {
    for stack in all().await {
        let (cache, name) = (&stack.cache, stack.name);
        let space = cache.space::<u32>("n").version(2);
        cache.increment("stale", 5).ttl(secs(1)).await.unwrap();
        cache
            .space::<u32>("n")
            .version(1)
            .set("old", 1u32)
            .await
            .unwrap();
        stack.clock.advance(secs(2));
        assert_eq!(cache.increment("stale", 1).await.unwrap(), 1, "{name}");
        assert!(space.set_if_absent("old", 2u32).await.unwrap(), "{name}");
        cache.set("n:cleared", 1u32).await.unwrap();
        cache.increment("counter", 9).await.unwrap();
        cache.clear().await.unwrap();
        assert!(
            space.set_if_absent("cleared", 2u32).await.unwrap(),
            "{name}"
        );
        assert_eq!(cache.increment("counter", 1).await.unwrap(), 1, "{name}");
    }
}

#[tokio::test]
async fn c6_a_writer_that_has_not_heard_of_a_clear_hides_nothing_written_since() {
    use larder::Operation;
    for operation in [Operation::Update, Operation::Set] {
        let (stack, chaos) = crate::stacks::chaos().await;
        let (cache, gate) = (stack.cache.clone(), chaos.block_before(operation));
        let straggler = tokio::spawn(async move {
            match operation {
                Operation::Update => cache.increment("n", 1).await.map(|_| ()),
                _ => cache.set("n", 1i64).await,
            }
        });
        gate.reached().await;
        stack.cache.clear().await.unwrap();
        stack.cache.bypass(false);
        stack
            .cache
            .space::<i64>("other")
            .increment("n", 1)
            .await
            .unwrap();
        gate.open();
        straggler.await.unwrap().unwrap();
        let found = stack.cache.get::<i64>("n").await.unwrap();
        assert_eq!(
            found.as_deref(),
            Some(&1),
            "{operation}: it comes after the clear"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn c6_no_number_is_handed_out_twice_after_a_clear() {
    for _ in 0..50 {
        let stack = crate::stacks::memory().await;
        let counting: Vec<_> = (0..2)
            .map(|_| {
                let cache = stack.cache.clone();
                tokio::spawn(async move {
                    let mut numbers = Vec::new();
                    for _ in 0..300 {
                        numbers.push(cache.increment("n", 1).await.unwrap());
                    }
                    numbers
                })
            })
            .collect();
        stack.cache.clear().await.unwrap();
        for thread in counting {
            let numbers = thread.await.unwrap();
            let restarts = numbers.windows(2).filter(|pair| pair[1] <= pair[0]).count();
            assert!(
                restarts <= 1,
                "one clear, {restarts} beginnings: {numbers:?}"
            );
        }
    }
}
