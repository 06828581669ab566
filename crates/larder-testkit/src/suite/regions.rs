//! Regions: limits for the keys under a prefix.

use std::time::{Duration, Instant};

use larder_core::{Key, ReadOptions, RegionLimits, Tiers, WriteOptions};

use super::{ability, expect};
use crate::Subject;

const LIMIT: usize = 16;

/// What was stored under the prefix before is still there, under every cut of its key, and can be
/// deleted.
pub async fn a_reservation_keeps_what_is_there(subject: &Subject) {
    if !ability::regions(subject) {
        return;
    }
    let (inside, outside) = (subject.entry("inside"), subject.entry("outside"));
    subject.set("region:a", &inside).await;
    subject.set("regional:a", &outside).await;
    let limits = RegionLimits::new(subject.namespace(), "region")
        .with_max_entries(100)
        .with_max_bytes(1 << 20);
    subject.backend().reserve(&limits).expect("reserve");
    expect::holds(
        subject.get("region:a").await,
        &inside,
        "after its prefix was reserved",
    );
    let cut =
        Key::new(subject.namespace(), "region", "a").expect("a key of the suite keeps the rules");
    let answer = subject
        .backend()
        .get(&cut, &ReadOptions::default())
        .await
        .expect("get");
    expect::holds(answer, &inside, "under another cut of its key");
    expect::holds(
        subject.get("regional:a").await,
        &outside,
        "outside of the region",
    );
    assert!(subject.delete("region:a").await, "an entry was there");
    expect::nothing(subject.get("region:a").await, "after a delete");
    let again = subject.entry("again");
    let write = subject
        .backend()
        .set(&cut, again.clone(), &WriteOptions::default())
        .await;
    write.expect("set");
    expect::holds(
        subject.get("region:a").await,
        &again,
        "stored after the reservation",
    );
    if subject.capability().scan {
        let mut listed: Vec<_> = subject
            .scan("*", 10)
            .await
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        listed.sort();
        assert_eq!(
            listed,
            ["region:a", "regional:a"],
            "a scan lists what is in regions, once"
        );
    }
}

/// However much is stored under the prefix, it stays within the region's limits, and costs nothing else
/// its place.
pub async fn s5_the_limits_hold_and_hold_for_the_region_alone(subject: &Subject) {
    if !ability::regions(subject) {
        return;
    }
    for limits in [
        RegionLimits::new(subject.namespace(), "few").with_max_entries(LIMIT as u64),
        RegionLimits::new(subject.namespace(), "small").with_max_bytes(LIMIT as u64 * 1024),
    ] {
        subject.backend().reserve(&limits).expect("reserve");
    }
    for n in 0..50 {
        subject
            .set(&format!("other:{n}"), &subject.entry("x"))
            .await;
    }
    let kilobyte = "x".repeat(1024);
    for region in ["few", "small"] {
        for n in 0..150 {
            subject
                .set(&format!("{region}:{n}"), &subject.entry(&kilobyte))
                .await;
        }
    }
    for region in ["few", "small"] {
        // A backend may tidy up a little later; a check gives it the occasion.
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            let held = count(subject, region, 150).await;
            if held <= LIMIT {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the region {region:?} holds {held} of {LIMIT} entries"
            );
            subject.backend().check(&ReadOptions::default()).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(
        count(subject, "other", 50).await,
        50,
        "entries outside of the regions keep their places"
    );
}

/// Several tiers limit what the nearest holds; those behind it know it all.
async fn count(subject: &Subject, prefix: &str, up_to: usize) -> usize {
    let nearest = ReadOptions::default().with_tiers(Tiers::Nearest);
    let mut found = 0;
    for n in 0..up_to {
        let name = format!("{prefix}:{n}");
        let entry = subject.backend().get(&subject.key(&name), &nearest).await;
        found += usize::from(entry.expect("a get from the nearest tier").is_some());
    }
    found
}
