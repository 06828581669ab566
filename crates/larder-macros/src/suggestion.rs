//! What somebody may have meant by a word that isn't known.

/// The nearest of the words, if it is near enough to be a slip of the fingers: one that goes on where this
/// ends, or has few letters that differ.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            let goes_on = word.len() > 1 && candidate.starts_with(word);
            let distance = if goes_on {
                0
            } else {
                distance(word, candidate)
            };
            (distance, candidate)
        })
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(2))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: how many letters have to be put in, left out or changed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in (1..).zip(from.chars()) {
        let mut diagonal = std::mem::replace(&mut row[0], line);
        for (column, wanted) in (1..).zip(&to) {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[column];
            row[column] = changed.min(row[column] + 1).min(row[column - 1] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_letters() {
        assert_eq!(distance("ttl", "ttl"), 0);
        assert_eq!(distance("tttl", "ttl"), 1);
        assert_eq!(distance("", "key"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_slip_has_a_suggestion_and_another_word_has_none() {
        let known = ["cache", "key", "stale_for"];
        assert_eq!(nearest("stale", known), Some("stale_for"));
        assert_eq!(nearest("kay", known), Some("key"));
        assert_eq!(nearest("compression", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
