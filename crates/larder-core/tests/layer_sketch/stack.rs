//! What the whole stack does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, Clock, Deletion, Entry, ErrorKind, Expiry, Fill, Filled, Journal, Key,
    Lease, LeaseOptions, Lifetime, Marker, Pattern, Peek, ReadOptions, Result, ScanRequest, Store,
    TagName, Update, Updated, Value, WriteOptions, wire,
};

use crate::behind::{List, Table, WriteBehind};
use crate::bytes::Mask;
use crate::guard::Breaker;
use crate::memory::Memory;
use crate::remote::{Echo, Fault, Remote, Server};
use crate::support::{TestClock, get, life, lock, namespace, read, tagged, text};
use crate::tags::Tags;
use crate::tiered::Tiered;

/// A process with all layers; several share a server.
struct Node {
    remote: Arc<Remote>,
    journal: Arc<List>,
    table: Arc<Table>,
    behind: WriteBehind,
    tiered: Store,
    cache: Store,
}

fn read_options() -> ReadOptions {
    ReadOptions::default()
}

fn write_options() -> WriteOptions {
    WriteOptions::default()
}

impl Node {
    fn start(server: &Arc<Server>, clock: &TestClock) -> Self {
        Self::start_with(server, clock, Echo::Withheld)
    }

    fn start_with(server: &Arc<Server>, clock: &TestClock, echo: Echo) -> Self {
        let remote = Remote::connect(server, clock, echo);
        let (journal, table) = (Arc::new(List::default()), Arc::new(Table::default()));
        let behind = WriteBehind::new(
            namespace(),
            Arc::clone(&journal) as Arc<dyn Journal>,
            Arc::clone(&table),
        );
        let far = Store::from(Arc::clone(&remote))
            .layer(&Mask(0x2a))
            .and_then(|masked| masked.layer(&Breaker::new(clock)))
            .unwrap();
        let tiered = Tiered::over(Store::new(Memory::new(clock)), far).unwrap();
        let cache = tiered
            .layer(&Tags::default())
            .and_then(|tagged| tagged.layer(&behind))
            .unwrap();
        Self {
            remote,
            journal,
            table,
            behind,
            tiered,
            cache,
        }
    }

    /// What was accepted is delivered, so that reads come from the cache.
    async fn set(&self, key: &Key<'_>, entry: Entry) {
        self.cache.set(key, entry, &write_options()).await.unwrap();
        self.behind.deliver().await.unwrap();
    }

    async fn lease(&self, key: &Key<'_>, clock: &TestClock, template: &Entry) -> Lease {
        let until = clock.now().saturating_add(Duration::from_secs(10));
        let options = LeaseOptions::until(until).with_template(template.clone());
        self.cache.lease(&[*key], &options).await.remove(0).unwrap()
    }

    async fn fill(&self, lease: Lease, entry: Entry) -> Filled {
        let Lease::Granted { token, .. } = lease else {
            panic!("not granted: {lease:?}")
        };
        self.cache
            .fill(vec![Fill { token, entry }], &write_options())
            .await
            .remove(0)
            .unwrap()
    }

    fn peek(&self, key: &Key<'_>, clock: &TestClock) -> Option<Entry> {
        match self.cache.peek(key, clock.now()) {
            Peek::Hit(entry) => Some(entry),
            _ => None,
        }
    }
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

fn server() -> (Arc<Server>, TestClock) {
    let clock = TestClock::default();
    clock.advance(Duration::from_secs(1_000_000));
    (Arc::default(), clock)
}

#[tokio::test]
async fn memory_keeps_the_decoded_original_while_the_remote_holds_framed_bytes() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "airport", "LHR").unwrap(),
    );
    let original = text(&clock, "Heathrow");
    node.set(&key, original.clone()).await;

    let hit = node.peek(&key, &clock).expect("an own write is in memory");
    assert!(
        Arc::ptr_eq(&read(&hit), &read(&original)),
        "never decoded again"
    );
    let stored = server.stored(&key).unwrap();
    let stored = wire::decode(
        &key,
        &stored,
        wire::ClockShift::NONE,
        wire::Limits::default(),
    )
    .unwrap();
    assert_eq!(stored.value().frames(), 1);
    assert_eq!(stored.value().encoded().unwrap()[..2], [0x58, 0x2a]);
}

#[tokio::test]
async fn a_promoted_entry_is_decoded_once_and_never_outlives_the_original() {
    let ((server, clock), ns) = (server(), namespace());
    let (here, there) = (Node::start(&server, &clock), Node::start(&server, &clock));
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    let original = text(&clock, "Heathrow");
    there.set(&key, original.clone()).await;

    let first = here
        .cache
        .get(&key, &read_options())
        .await
        .unwrap()
        .unwrap();
    let second = here.peek(&key, &clock).expect("it was promoted");
    assert!(Arc::ptr_eq(&read(&first), &read(&second)));
    assert_eq!(second.head().lifetime(), original.head().lifetime());
    clock.advance(Duration::from_secs(120));
    assert!(here.peek(&key, &clock).is_none());
}

#[tokio::test]
async fn c2_an_invalidation_between_reply_and_insert_wins() {
    let ((server, clock), ns) = (server(), namespace());
    let (here, there) = (Node::start(&server, &clock), Node::start(&server, &clock));
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    there.set(&key, text(&clock, "old")).await;

    let meanwhile = Arc::clone(&server);
    let deleted = key.to_buf();
    *lock(&here.remote.before_reply) = Some(Box::new(move || meanwhile.del(&deleted.as_key())));
    assert_eq!(
        get(&here.cache, &key).await.as_deref(),
        Some("old"),
        "it was there when it was asked for"
    );
    assert_eq!(
        get(&here.cache, &key).await,
        None,
        "the late reply is not in memory"
    );
}

#[tokio::test]
async fn c2_a_foreign_write_between_an_own_write_and_its_reply_wins() {
    for echo in [Echo::Told, Echo::Withheld] {
        let ((server, clock), ns) = (server(), namespace());
        let (here, there) = (
            Node::start_with(&server, &clock, echo),
            Node::start(&server, &clock),
        );
        let key = Key::new(&ns, "airport", "LHR").unwrap();
        there.set(&key, text(&clock, "theirs")).await;
        let theirs = server.stored(&key).unwrap();

        let (meanwhile, name) = (Arc::clone(&server), key.to_buf());
        *lock(&here.remote.before_reply) =
            Some(Box::new(move || meanwhile.put(&name.as_key(), theirs)));
        here.set(&key, text(&clock, "ours")).await;
        assert_eq!(
            get(&here.cache, &key).await.as_deref(),
            Some("theirs"),
            "{echo:?}"
        );
    }
}

#[tokio::test]
async fn an_own_write_enters_memory_whether_or_not_it_is_echoed() {
    for echo in [Echo::Told, Echo::Withheld] {
        let ((server, clock), ns) = (server(), namespace());
        let node = Node::start_with(&server, &clock, echo);
        let key = Key::new(&ns, "airport", "LHR").unwrap();
        let original = text(&clock, "Heathrow");
        node.set(&key, original.clone()).await;
        let hit = node.peek(&key, &clock).expect("it is in memory");
        assert!(Arc::ptr_eq(&read(&hit), &read(&original)), "{echo:?}");
    }
}

#[tokio::test]
async fn c2_a_write_whose_caller_went_away_leaves_nothing_older_in_memory() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "", "k").unwrap(),
    );
    node.set(&key, text(&clock, "old")).await;

    *lock(&node.remote.fault) = Fault::Deaf;
    let options = write_options();
    let mut write = Box::pin(node.cache.set(&key, text(&clock, "new"), &options));
    assert!(poll_once(&mut write).await.is_none(), "on its way");
    *lock(&node.remote.fault) = Fault::None;
    assert_eq!(get(&node.tiered, &key).await.as_deref(), Some("old"));
    assert!(
        poll_once(&mut write).await.is_none(),
        "executed, and its answer is lost"
    );
    drop(write);
    node.behind.deliver().await.unwrap();
    assert_eq!(get(&node.cache, &key).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn c4_a_tag_invalidation_makes_both_tiers_miss_on_every_node() {
    let ((server, clock), ns) = (server(), namespace());
    let (here, there) = (Node::start(&server, &clock), Node::start(&server, &clock));
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    here.set(&key, tagged(&clock, "Heathrow", "country:GB"))
        .await;
    for node in [&here, &there] {
        assert_eq!(get(&node.cache, &key).await.as_deref(), Some("Heathrow"));
        let asked = node.remote.commands.load(Ordering::SeqCst);
        assert!(
            node.peek(&key, &clock).is_some(),
            "a judged hit needs no await"
        );
        assert_eq!(get(&node.cache, &key).await.as_deref(), Some("Heathrow"));
        assert_eq!(
            node.remote.commands.load(Ordering::SeqCst),
            asked,
            "nor a round trip"
        );
    }

    let marker = Marker::tag(&ns, TagName::new("country:GB").unwrap());
    there.cache.bump(&[marker], &write_options()).await.unwrap();
    for node in [&here, &there] {
        assert!(node.peek(&key, &clock).is_none());
        assert_eq!(get(&node.cache, &key).await, None);
        assert_eq!(node.cache.head(&key, &read_options()).await.unwrap(), None);
        let scan = ScanRequest::new(ns.clone(), Pattern::new("*").unwrap());
        let below = node
            .cache
            .scan(&scan, None, &read_options())
            .await
            .unwrap()
            .next;
        let page = node
            .cache
            .scan(&scan, below, &read_options())
            .await
            .unwrap();
        assert!(page.entries.is_empty(), "{page:?}");
    }
    assert!(server.stored(&key).is_some(), "it was judged, not removed");
}

#[tokio::test]
async fn c8_what_its_tags_have_felled_is_absent_to_conditional_writes_too() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "", "k").unwrap(),
    );
    node.set(&key, tagged(&clock, "old", "t")).await;
    let update = |value| Update::SetIfAbsent(tagged(&clock, value, "t"));
    let options = write_options();
    assert!(matches!(
        node.cache
            .update(&key, update("early"), &options)
            .await
            .unwrap(),
        Updated::Refused
    ));
    let marker = Marker::tag(&ns, TagName::new("t").unwrap());
    node.cache.bump(&[marker], &options).await.unwrap();
    assert!(matches!(
        node.cache
            .update(&key, update("new"), &options)
            .await
            .unwrap(),
        Updated::Stored
    ));
    node.behind.deliver().await.unwrap();
    assert_eq!(get(&node.cache, &key).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn c1_whatever_writes_the_key_ends_a_lease_through_all_layers() {
    let ((server, clock), ns) = (server(), namespace());
    let (here, there) = (Node::start(&server, &clock), Node::start(&server, &clock));
    let key = Key::new(&ns, "airport", "LHR").unwrap();
    let loaded = tagged(&clock, "loaded", "country:GB");

    let lease = here.lease(&key, &clock, &loaded).await;
    assert!(matches!(
        there.lease(&key, &clock, &loaded).await,
        Lease::Held { .. }
    ));
    assert_eq!(
        get(&there.cache, &key).await,
        None,
        "a placeholder is absent"
    );
    let deletion = there
        .cache
        .invalidate(&key, &write_options())
        .await
        .unwrap();
    assert_eq!(deletion, Deletion::Delivered { existed: false });
    assert_eq!(here.fill(lease, loaded.clone()).await, Filled::Refused);
    assert_eq!(get(&here.cache, &key).await, None);

    let lease = here.lease(&key, &clock, &loaded).await;
    there.set(&key, text(&clock, "written")).await;
    assert_eq!(here.fill(lease, loaded.clone()).await, Filled::Refused);
    assert_eq!(get(&here.cache, &key).await.as_deref(), Some("written"));

    server.del(&key);
    let lease = here.lease(&key, &clock, &loaded).await;
    assert_eq!(here.fill(lease, loaded.clone()).await, Filled::Stored);
    assert!(Arc::ptr_eq(
        &read(
            &here
                .cache
                .get(&key, &read_options())
                .await
                .unwrap()
                .unwrap()
        ),
        &read(&loaded)
    ));
    assert!(matches!(
        there.lease(&key, &clock, &loaded).await,
        Lease::Present(_)
    ));
}

#[tokio::test]
async fn c1_a_tag_invalidated_during_the_load_fells_what_was_loaded() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "", "k").unwrap(),
    );
    let loaded = tagged(&clock, "loaded", "t");
    let lease = node.lease(&key, &clock, &loaded).await;
    let marker = Marker::tag(&ns, TagName::new("t").unwrap());
    node.cache.bump(&[marker], &write_options()).await.unwrap();
    assert_eq!(
        node.fill(lease, loaded.clone()).await,
        Filled::Stored,
        "the key itself was not touched"
    );
    assert_eq!(
        get(&node.cache, &key).await,
        None,
        "its stamps are older than the invalidation"
    );

    let late = tagged(&clock, "late", "only the loader knew");
    let lease = node.lease(&key, &clock, &loaded).await;
    assert_eq!(node.fill(lease, late).await, Filled::Refused);
}

#[tokio::test]
async fn one_batch_goes_through_every_layer() {
    let ((server, clock), ns) = (server(), namespace());
    let (here, there) = (Node::start(&server, &clock), Node::start(&server, &clock));
    let (a, b) = (
        Key::new(&ns, "", "a").unwrap(),
        Key::new(&ns, "", "b").unwrap(),
    );
    let operations = vec![
        BatchOperation::Set(a, tagged(&clock, "first", "t")),
        BatchOperation::Update(
            b,
            Update::Increment {
                by: 2,
                template: Entry::new(Value::counter(0), life(&clock)),
            },
        ),
        BatchOperation::Expire(a, Expiry::new(Lifetime::forever(clock.now()))),
        BatchOperation::Get(a),
    ];
    let replies: Result<Vec<_>> = here
        .cache
        .batch(operations, &write_options())
        .await
        .into_iter()
        .collect();
    let entry = replies.unwrap().remove(3).into_entry().unwrap().unwrap();
    assert!(entry.head().lifetime().expires_at.is_forever());
    assert_eq!(*read(&entry), "first");

    let entries = there.cache.get_many(&[a, b], &write_options()).await;
    let entries: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.unwrap().unwrap())
        .collect();
    assert_eq!(*read(&entries[0]), "first");
    assert_eq!(entries[1].value().as_counter(), Some(2));
}

#[tokio::test]
async fn a2_a_silent_remote_costs_the_deadline_then_nothing() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "", "k").unwrap(),
    );
    let known = Key::new(&ns, "", "known").unwrap();
    node.set(&known, text(&clock, "in memory")).await;
    *lock(&node.remote.fault) = Fault::Silent;
    for _ in 0..3 {
        let options =
            read_options().with_deadline(clock.now().saturating_add(Duration::from_millis(50)));
        let (answer, ()) = tokio::join!(node.cache.get(&key, &options), async {
            clock.advance(Duration::from_millis(50));
        });
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Timeout);
    }
    *lock(&node.remote.fault) = Fault::Refuses;
    let asked = node.remote.commands.load(Ordering::SeqCst);
    let answer = node.cache.get(&key, &read_options()).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(
        node.remote.commands.load(Ordering::SeqCst),
        asked,
        "the breaker asks nobody"
    );
    assert_eq!(get(&node.cache, &known).await.as_deref(), Some("in memory"));

    *lock(&node.remote.fault) = Fault::None;
    clock.advance(Duration::from_secs(5));
    assert_eq!(get(&node.cache, &key).await, None, "it closes again");
}

#[tokio::test]
async fn w1_an_accepted_write_is_readable_and_waits_until_it_is_delivered() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "", "k").unwrap(),
    );
    node.table.fails.store(true, Ordering::SeqCst);
    *lock(&node.remote.fault) = Fault::Refuses;
    node.cache
        .set(&key, text(&clock, "accepted"), &write_options())
        .await
        .unwrap();
    assert!(node.behind.deliver().await.is_err());
    *lock(&node.remote.fault) = Fault::None;

    node.cache.invalidate(&key, &write_options()).await.unwrap();
    assert_eq!(
        get(&node.cache, &key).await.as_deref(),
        Some("accepted"),
        "an invalidation drops nothing"
    );
    assert!(node.peek(&key, &clock).is_some());
    let lease = node.lease(&key, &clock, &text(&clock, "")).await;
    assert!(
        matches!(lease, Lease::Present(_)),
        "a dirty key gets no lease"
    );

    node.table.fails.store(false, Ordering::SeqCst);
    node.behind.deliver().await.unwrap();
    assert!(lock(&node.table.rows).contains_key("k"));
    assert_eq!(node.journal.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn w2_a_put_then_a_delete_stays_deleted() {
    let ((server, clock), ns) = (server(), namespace());
    let (node, key) = (
        Node::start(&server, &clock),
        Key::new(&ns, "", "k").unwrap(),
    );
    node.cache
        .set(&key, text(&clock, "short-lived"), &write_options())
        .await
        .unwrap();
    let deletion = node.cache.delete(&key, &write_options()).await.unwrap();
    assert!(deletion.existed());
    assert_eq!(get(&node.cache, &key).await, None);
    let Lease::Present(absent) = node.lease(&key, &clock, &text(&clock, "")).await else {
        panic!("the system of record still has it, so nobody may load it")
    };
    assert_eq!(absent.head().kind(), larder_core::EntryKind::Absent);

    let report = node.cache.close(clock.now()).await.unwrap();
    assert_eq!(report.undelivered, 0);
    assert!(lock(&node.table.rows).is_empty());
}

#[test]
fn wrong_orders_are_refused_with_the_right_place() {
    let (server, clock) = server();
    let memory = || Store::new(Memory::new(&clock));
    let remote = || Store::from(Remote::connect(&server, &clock, Echo::Told));
    let tiered = || Tiered::over(memory(), remote()).unwrap();
    let refused = |result: Result<Store>, place: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.message().contains(place), "{error}");
    };
    refused(memory().layer(&Mask(1)), "below the memory tier");
    refused(tiered().layer(&Mask(1)), "below the memory tier");
    refused(
        tiered().layer(&Breaker::new(&clock)),
        "around the remote store alone",
    );
    let tagged = remote().layer(&Tags::default()).unwrap();
    refused(Tiered::over(memory(), tagged), "above the tiers");
}
