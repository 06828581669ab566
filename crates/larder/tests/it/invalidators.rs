//! Invalidation by an application's events, and clearing away what invalidations leave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use larder::{
    Backend, Error, ErrorKind, EventSource, Invalidation, Invalidator, Pattern, SourceEvent,
    TagName,
};
use larder_core::{ReadOptions, ScanRequest};
use tokio::sync::mpsc;

use crate::origin::{soon, until};
use crate::stacks::{Stack, all, chaos, secs};

struct UserUpdated {
    id: u32,
}

struct Nothing;

async fn stored(stack: &Stack) {
    let users = stack.cache.space::<u32>("user");
    for id in 1..=5u32 {
        let tags = if id > 3 { vec!["young"] } else { vec!["old"] };
        users.set(&id.to_string(), id).tags(tags).await.unwrap();
    }
}

async fn left(stack: &Stack) -> Vec<u32> {
    let users = stack.cache.space::<u32>("user");
    let found = users.get_many(&["1", "2", "3", "4", "5"]).await.unwrap();
    found.into_iter().flatten().map(|id| *id).collect()
}

fn rules(stack: &Stack) -> Invalidator {
    Invalidator::new(&stack.cache)
        .on::<UserUpdated>(|event| Invalidation::new().key(format!("user:{}", event.id)))
        .on::<UserUpdated>(|event| {
            let what = Invalidation::new();
            if event.id == 4 {
                what.tag("young")
            } else {
                what
            }
        })
}

#[tokio::test]
async fn c7_what_an_event_makes_invalid_is_not_found_once_it_is_published() {
    for stack in all().await {
        let (invalidator, name) = (rules(&stack), stack.name);
        stored(&stack).await;
        invalidator.publish(&UserUpdated { id: 1 }).await.unwrap();
        assert_eq!(left(&stack).await, [2, 3, 4, 5], "{name}");
        invalidator.publish(&UserUpdated { id: 4 }).await.unwrap();
        assert_eq!(left(&stack).await, [2, 3], "{name}: both rules count");
        let unknown = invalidator.publish(&Nothing).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::ConfigInvalid, "{name}");
        assert!(unknown.message().contains("Nothing"), "{unknown}");
    }
}

#[tokio::test]
async fn a_channels_events_are_published_until_its_senders_have_gone() {
    for stack in all().await {
        let (invalidator, name) = (rules(&stack), stack.name);
        stored(&stack).await;
        let (sender, events) = mpsc::channel(1);
        let receiving = invalidator.receive(events);
        let sending = async move {
            for id in [2, 3, 5] {
                sender.send(UserUpdated { id }).await.unwrap();
            }
        };
        let (received, ()) = soon(name, async { tokio::join!(receiving, sending) }).await;
        received.unwrap();
        assert_eq!(left(&stack).await, [1, 4], "{name}");
    }
}

#[tokio::test]
async fn a_stores_trouble_delays_an_event_and_loses_none() {
    let (stack, chaos) = chaos().await;
    stored(&stack).await;
    let invalidator = rules(&stack);
    let (sender, events) = mpsc::channel(8);
    chaos.break_down(ErrorKind::Unavailable);
    let receiving = tokio::spawn(async move { invalidator.receive(events).await });
    sender.send(UserUpdated { id: 1 }).await.unwrap();
    sender.send(UserUpdated { id: 2 }).await.unwrap();
    drop(sender);
    stack.clock.wait_for_sleepers(1).await;
    stack.clock.advance(secs(10));
    stack.clock.wait_for_sleepers(1).await;
    chaos.heal();
    stack.clock.advance(secs(10));
    soon("the events", receiving).await.unwrap().unwrap();
    assert_eq!(left(&stack).await, [3, 4, 5]);
}

/// Answers what it was given, and counts what is acknowledged.
#[derive(Debug)]
struct Given(VecDeque<SourceEvent>, Arc<AtomicU32>);

#[async_trait]
impl EventSource for Given {
    async fn next(&mut self) -> Option<larder::Result<SourceEvent>> {
        self.0.pop_front().map(Ok)
    }

    async fn acknowledge(&mut self) -> larder::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn a_sources_events_are_done_before_they_are_acknowledged() {
    for stack in all().await {
        let name = stack.name;
        let invalidator = rules(&stack).on_message(|bytes| {
            let id = String::from_utf8_lossy(bytes).into_owned();
            Invalidation::new().key(format!("user:{id}"))
        });
        let acknowledged = Arc::new(AtomicU32::new(0));
        let listen = async |events: Vec<SourceEvent>| {
            let mut source = Given(events.into(), Arc::clone(&acknowledged));
            invalidator.listen(&mut source).await.unwrap();
            left(&stack).await
        };
        stored(&stack).await;
        let key = SourceEvent::Key("user:1".into());
        let message = SourceEvent::Message("2".into());
        assert_eq!(listen(vec![key, message]).await, [3, 4, 5], "{name}");
        let tag = SourceEvent::Tag(TagName::new("young").unwrap());
        assert_eq!(listen(vec![tag]).await, [3], "{name}");
        let matching = SourceEvent::Matching(Pattern::new("user:*").unwrap());
        assert_eq!(listen(vec![matching]).await, [0u32; 0], "{name}");
        stored(&stack).await;
        let gap = listen(vec![SourceEvent::Gap]).await;
        assert_eq!(gap, [0u32; 0], "{name}: everything may have changed");
        until(name, || acknowledged.load(Ordering::SeqCst) == 5).await;
    }
}

/// A source that fails.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl EventSource for Broken {
    async fn next(&mut self) -> Option<larder::Result<SourceEvent>> {
        Some(Err(Error::new(ErrorKind::Unavailable, "it is broken")))
    }

    async fn acknowledge(&mut self) -> larder::Result<()> {
        unreachable!("nothing was answered")
    }
}

#[tokio::test]
async fn a_source_that_fails_is_an_error() {
    let stack = crate::stacks::memory().await;
    let listened = rules(&stack).listen(&mut Broken).await;
    assert_eq!(listened.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// How many entries are stored, found by anybody or not.
async fn stored_entries(stack: &Stack) -> usize {
    let namespace = stack.cache.namespace().clone();
    let request = ScanRequest::new(namespace, Pattern::new("*").unwrap()).with_fallen();
    let store = stack.cache.store();
    let page = store.scan(&request, None, &ReadOptions::default()).await;
    page.unwrap().entries.len()
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_would_find_and_nothing_else() {
    for stack in all().await {
        let name = stack.name;
        stored(&stack).await;
        stack.cache.set("plain", 1u32).await.unwrap();
        stack.cache.invalidate_tag("young").await.unwrap();
        assert_eq!(stored_entries(&stack).await, 6, "{name}: O(1)");
        let swept = stack.cache.sweep().await.unwrap();
        assert_eq!((swept.seen, swept.removed), (6, 2), "{name}");
        assert_eq!(stored_entries(&stack).await, 4, "{name}");
        assert_eq!(left(&stack).await, [1, 2, 3], "{name}");
        stack.cache.clear().await.unwrap();
        stack.cache.set("plain", 2u32).await.unwrap();
        stack.cache.sweep().per_second(1_000_000).await.unwrap();
        assert_eq!(stored_entries(&stack).await, 1, "{name}");
        assert_eq!(
            stack.cache.get::<u32>("plain").await.unwrap().as_deref(),
            Some(&2),
            "{name}"
        );
    }
}
