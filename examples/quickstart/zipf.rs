//! Zipf's law: the airport of rank `k` is asked for in proportion to `1 / k^exponent`, which is how
//! unevenly services are asked for most things.

use fastrand::Rng;

/// Draws ranks by inverting the cumulative distribution: a table and a binary search.
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
    total: f64,
}

impl Zipf {
    /// A distribution over this many ranks.
    pub(crate) fn new(ranks: u32, exponent: f64) -> Self {
        let mut total = 0.0;
        let weights = (1..=ranks).map(|rank| f64::from(rank).powf(-exponent));
        let cumulative = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Self { cumulative, total }
    }

    /// A rank, counted from zero.
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let point = rng.f64() * self.total;
        let rank = self.cumulative.partition_point(|&upto| upto <= point);
        // Rounding could otherwise lead past the last one.
        rank.min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 100_000;

    fn counts(ranks: u32, exponent: f64) -> Vec<f64> {
        let (zipf, mut rng) = (Zipf::new(ranks, exponent), Rng::with_seed(1));
        let mut counts = vec![0.0; ranks as usize];
        for _ in 0..DRAWS {
            counts[zipf.draw(&mut rng)] += 1.0;
        }
        counts
    }

    #[test]
    fn a_rank_is_drawn_in_proportion_to_its_weight() {
        let counts = counts(1_000, 0.99);
        let total: f64 = (1..=1_000).map(|k| f64::from(k).powf(-0.99)).sum();
        for rank in [1_u32, 2, 5, 10, 20] {
            let expected = f64::from(DRAWS) * f64::from(rank).powf(-0.99) / total;
            let drawn = counts[rank as usize - 1];
            assert!(
                (drawn / expected - 1.0).abs() < 0.1,
                "rank {rank}: {drawn} draws, expected about {expected:.0}"
            );
        }
    }

    #[test]
    fn an_exponent_of_zero_favours_nobody() {
        for drawn in counts(10, 0.0) {
            let expected = f64::from(DRAWS) / 10.0;
            assert!((drawn / expected - 1.0).abs() < 0.1, "{drawn} draws");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let zipf = Zipf::new(100, 0.99);
        let draw = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..50).map(|_| zipf.draw(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
