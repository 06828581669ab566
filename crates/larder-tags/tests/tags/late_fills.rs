//! C1: what was loaded before its tag was invalidated is never found, whoever invalidates it and whoever hears of it.

use larder_core::{
    Backend, Entry, Fill, Filled, Key, Lease, LeaseOptions, Lifetime, Marker, Namespace,
    ReadOptions, Store, Tag, TagName, Timestamp, Value, WriteOptions,
};
use larder_testkit::ManualClock;

use crate::stacks::{memory, tagged};

async fn filled_across(bump: bool, names: [&str; 2]) -> (Filled, Option<Entry>) {
    let clock = ManualClock::new();
    // The invalidation goes past the layer, as another process's does.
    let inner = memory(&clock);
    let store: Store = tagged(&inner);
    let namespace = Namespace::new("test").expect("a sound name");
    let key = Key::new(&namespace, "", "k").expect("a sound key");
    let tag = |name: &str| TagName::new(name).expect("a sound tag");
    let entry = |name: &str| {
        let entry = Entry::new(Value::raw("x".into()), Lifetime::forever(Timestamp::EPOCH));
        entry
            .with_tags(vec![Tag::from(tag(name))])
            .expect("one tag")
    };
    let [asked, given] = names;
    let until = LeaseOptions::until(Timestamp::from_millis(u64::MAX / 2_000_000));
    let lease = store
        .lease(&[key], &until.with_template(entry(asked)))
        .await;
    let Some(Ok(Lease::Granted { token, .. })) = lease.into_iter().next() else {
        panic!("a cold key is leased");
    };
    let options = WriteOptions::default();
    if bump {
        let marker = [Marker::tag(&namespace, tag(given))];
        inner
            .bump(&marker, &options)
            .await
            .expect("memory never fails");
    }
    let fill = Fill {
        token,
        entry: entry(given),
    };
    let filled = store.fill(vec![fill], &options).await.remove(0);
    let found = store.get(&key, &ReadOptions::default()).await;
    (
        filled.expect("memory never fails"),
        found.expect("memory never fails"),
    )
}

#[tokio::test]
async fn c1_what_is_filled_carries_the_versions_from_before_its_load() {
    let (filled, found) = filled_across(false, ["red", "red"]).await;
    assert!(filled == Filled::Stored && found.is_some());
    let (filled, found) = filled_across(true, ["red", "red"]).await;
    assert!(filled == Filled::Stored && found.is_none());
}

#[tokio::test]
async fn c1_a_tag_that_was_not_followed_before_the_load_is_late() {
    for bump in [false, true] {
        let (filled, found) = filled_across(bump, ["red", "blue"]).await;
        assert!(filled == Filled::LateTag && found.is_none());
    }
}
