//! S5: keys, values and batches have limits, each with its own error.

use larder::{ErrorKind, Limits};

use crate::stacks::memory_with;

#[tokio::test]
async fn s5_each_limit_has_its_own_error() {
    let limits = Limits::default()
        .with_max_value_bytes(100)
        .with_max_batch(3);
    let stack = memory_with(|builder| builder.limits(limits)).await;
    let space = stack.cache.space::<String>("n");

    let long = "k".repeat(511);
    assert_eq!(
        space.set(&long, String::new()).await.unwrap_err().kind(),
        ErrorKind::KeyTooLong
    );
    assert_eq!(
        space.get(&long).await.unwrap_err().kind(),
        ErrorKind::KeyTooLong
    );
    let fits = "k".repeat(510);
    space.set(&fits, String::new()).await.unwrap();

    space.set("v", "x".repeat(98)).await.unwrap();
    let error = space.set("v", "x".repeat(99)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ValueTooLarge);
    assert_eq!(error.key(), Some("v"));
    assert_eq!(
        space.get("v").await.unwrap().unwrap().len(),
        98,
        "what was there stays"
    );
    assert_eq!(
        space.set_raw("v", vec![0; 101]).await.unwrap_err().kind(),
        ErrorKind::ValueTooLarge
    );

    let four = ["a", "b", "c", "d"];
    assert_eq!(
        space.get_many(&four).await.unwrap_err().kind(),
        ErrorKind::BatchTooLarge
    );
    assert_eq!(
        space.delete_many(&four).await.unwrap_err().kind(),
        ErrorKind::BatchTooLarge
    );
    let values = four.map(|name| (name, String::new()));
    assert_eq!(
        space.set_many(values).await.unwrap_err().kind(),
        ErrorKind::BatchTooLarge
    );
    assert_eq!(
        space.get("a").await.unwrap(),
        None,
        "nothing of it was stored"
    );
    let mut pipeline = stack.cache.pipeline();
    for name in four {
        pipeline.exists(name);
    }
    assert_eq!(
        pipeline.execute().await.unwrap_err().kind(),
        ErrorKind::BatchTooLarge
    );
    assert_eq!(
        space
            .invalidate_matching(&"*".repeat(2_000))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::KeyTooLong
    );
}

#[tokio::test]
async fn s5_a_listing_is_not_bound_by_the_limit_on_batches() {
    let limits = Limits::default().with_max_batch(3);
    let stack = memory_with(|builder| builder.limits(limits)).await;
    let space = stack.cache.space::<u32>("n");
    let report = space
        .warm((0..50u32).map(|n| (n.to_string(), n)))
        .await
        .unwrap();
    assert_eq!(report.stored, 50);
    assert_eq!(space.invalidate_matching("*").await.unwrap(), 50);
}
