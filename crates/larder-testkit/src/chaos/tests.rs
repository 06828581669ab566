//! Chaos strikes where it is told to, and nowhere else.

use larder_core::{Entry, Key, Lifetime, Namespace, ReadOptions, Value, WriteOptions};

use super::*;
use crate::{ManualClock, ReferenceBackend};

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    clock: ManualClock,
    chaos: ChaosLayer,
    store: Store,
    namespace: Namespace,
}

fn scene() -> Scene {
    let clock = ManualClock::new();
    let chaos = ChaosLayer::on(clock.shared());
    let store = Store::new(ReferenceBackend::new(clock.shared()))
        .layer(&chaos)
        .unwrap();
    Scene {
        clock,
        chaos,
        store,
        namespace: Namespace::new("app").unwrap(),
    }
}

impl Scene {
    fn key<'a>(&'a self, text: &'a str) -> Key<'a> {
        Key::new(&self.namespace, "", text).unwrap()
    }

    fn setting(&self, text: &str) -> impl Future<Output = Result<(), ErrorKind>> + Send + use<> {
        let (store, key) = (self.store.clone(), self.key(text).to_buf());
        let entry = Entry::new(Value::raw("x".into()), Lifetime::forever(self.clock.now()));
        async move {
            let set = store
                .set(&key.as_key(), entry, &WriteOptions::default())
                .await;
            set.map_err(|error| error.kind())
        }
    }

    async fn there(&self, text: &str) -> bool {
        self.store
            .get(&self.key(text), &ReadOptions::default())
            .await
            .unwrap()
            .is_some()
    }
}

#[tokio::test]
async fn a_failed_call_is_not_done_and_a_lost_one_is() {
    let scene = scene();
    scene.chaos.fail_next(Operation::Set, ErrorKind::Timeout);
    scene
        .chaos
        .next(Operation::Set, Fault::Lose(ErrorKind::Unavailable));
    assert_eq!(scene.setting("failed").await, Err(ErrorKind::Timeout));
    assert_eq!(scene.setting("lost").await, Err(ErrorKind::Unavailable));
    assert_eq!(scene.setting("done").await, Ok(()));
    assert!(!scene.there("failed").await);
    assert!(scene.there("lost").await && scene.there("done").await);
}

#[tokio::test]
async fn a_rule_strikes_the_calls_it_names_until_it_heals() {
    let scene = scene();
    scene.chaos.rule(|call| {
        let named = call.operation == Operation::Set && call.keys == ["a"];
        named.then_some(Fault::Fail(ErrorKind::Rejected))
    });
    assert_eq!(scene.setting("a").await, Err(ErrorKind::Rejected));
    assert_eq!(scene.setting("b").await, Ok(()));
    scene.chaos.break_down(ErrorKind::Unavailable);
    assert_eq!(scene.setting("b").await, Err(ErrorKind::Unavailable));
    scene.chaos.heal();
    assert_eq!(scene.setting("a").await, Ok(()));
}

#[tokio::test]
async fn a_delayed_call_waits_on_the_clock() {
    let scene = scene();
    scene.chaos.next(Operation::Set, Fault::Delay(SECOND));
    let setting = tokio::spawn(scene.setting("a"));
    scene.clock.wait_for_sleepers(1).await;
    assert!(!scene.there("a").await, "it isn't done before its time");
    scene.clock.advance(SECOND);
    setting.await.unwrap().unwrap();
    assert!(scene.there("a").await);
}

#[tokio::test]
async fn a_call_is_held_before_it_is_done_or_after() {
    let scene = scene();
    let (before, after) = (
        scene.chaos.block_before(Operation::Set),
        scene.chaos.block_after(Operation::Set),
    );
    let setting = tokio::spawn(scene.setting("a"));
    before.reached().await;
    assert!(
        !scene.there("a").await && !after.is_reached(),
        "it isn't done yet"
    );
    before.open();
    after.reached().await;
    assert!(
        scene.there("a").await && !setting.is_finished(),
        "it is done and hasn't returned"
    );
    scene.setting("b").await.expect("a gate holds one call");
    after.open();
    setting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gate_that_is_dropped_holds_nothing() {
    let scene = scene();
    drop(scene.chaos.block_before(Operation::Set));
    let kept = scene.chaos.block_before(Operation::Set);
    let setting = tokio::spawn(scene.setting("a"));
    kept.reached().await;
    kept.open();
    setting.await.unwrap().unwrap();
}

#[tokio::test]
async fn each_of_a_list_fails() {
    let scene = scene();
    scene.chaos.fail_next(Operation::Batch, ErrorKind::Timeout);
    let keys = [scene.key("a"), scene.key("b")];
    let answers = scene.store.get_many(&keys, &WriteOptions::default()).await;
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(Result::is_err));
}
