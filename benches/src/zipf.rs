//! Which keys are asked for, in which order: a few often, most rarely.

/// `len` draws from `0..count` by Zipf's law: the k-th most popular has weight 1/k^exponent. Popularity
/// is scattered over the numbers. The same seed gives the same trace.
pub(crate) fn trace(count: usize, exponent: f64, len: usize, seed: u64) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut total = 0.0;
    let cumulative: Vec<f64> = (1..=u32::try_from(count).expect("fewer than 2^32 keys"))
        .map(|rank| {
            total += f64::from(rank).powf(-exponent);
            total
        })
        .collect();
    let mut scattered: Vec<u32> = (0..).take(count).collect();
    random.shuffle(&mut scattered);
    (0..len)
        .map(|_| {
            let drawn = random.f64() * total;
            let rank = cumulative.partition_point(|sum| *sum < drawn);
            scattered[rank.min(count - 1)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::trace;

    #[test]
    fn the_most_popular_of_ten_thousand_gets_its_share() {
        let drawn = trace(10_000, 0.99, 100_000, 7);
        let mut counts = vec![0_u32; 10_000];
        for at in &drawn {
            counts[*at as usize] += 1;
        }
        // 1 / sum of k^-0.99 for k up to 10,000 is 9.9 %.
        let top = counts.iter().max().expect("10,000 counts");
        assert!((9_400..10_400).contains(top), "{top} of 100,000");
        assert_eq!(drawn, trace(10_000, 0.99, 100_000, 7));
    }
}
