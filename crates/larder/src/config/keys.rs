//! The names of all settings, and which one was probably meant.

/// Every key, sections joined by dots.
pub(super) const KEYS: &[&str] = &[
    "namespace",
    "driver",
    "default_ttl",
    "jitter",
    "stale_for",
    "load_timeout",
    "timeout",
    "max_retries",
    "retry_delay",
    "max_value_bytes",
    "max_batch",
    "memory.max_bytes",
    "memory.max_entries",
    "memory.policy",
    "memory.time_to_idle",
    "memory.max_ttl",
    "redis.url",
    "redis.addr",
    "redis.username",
    "redis.password",
    "redis.db",
    "redis.pool_size",
    "redis.min_idle_conns",
    "redis.dial_timeout",
    "redis.read_timeout",
    "redis.write_timeout",
    "redis.heartbeat",
    "redis.max_in_flight",
    "redis.start",
    "redis.max_ttl",
    "redis.cluster",
    "redis.tls",
    "redis.tls.ca_file",
    "redis.tls.cert_file",
    "redis.tls.key_file",
    "redis.sentinel.master",
    "redis.sentinel.nodes",
    "redis.sentinel.username",
    "redis.sentinel.password",
];

/// Whether this is a key or a section.
pub(super) fn is_known(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The key or section that somebody meant who wrote this.
pub(super) fn nearest(path: &str) -> Option<&'static str> {
    let written = plain(path);
    let (section, name) = split(path);
    let name = plain(name);
    let score = |known: &&'static str| {
        let (known_section, known_name) = split(known);
        let neighbours = section == known_section;
        let distance = distance(&name, known_name);
        // Few characters differ, but not all of them.
        if neighbours && distance <= 2 && distance * 2 <= known_name.chars().count() {
            return Some(distance);
        }
        // One underscore too few, or a key of another section.
        if written == plain(known) || name == known_name {
            return Some(3);
        }
        // `ttl` for `default_ttl`, `ca` for `ca_file`.
        let part = known_name
            .strip_suffix(&*name)
            .is_some_and(|rest| rest.ends_with('_'))
            || known_name
                .strip_prefix(&*name)
                .is_some_and(|rest| rest.starts_with('_'));
        (neighbours && !name.is_empty() && part).then_some(4)
    };
    known()
        .filter_map(|known| Some((score(&known)?, known)))
        .min_by_key(|(score, _)| *score)
        .map(|(_, known)| known)
}

/// Keys and sections.
fn known() -> impl Iterator<Item = &'static str> {
    let sections = KEYS
        .iter()
        .filter_map(|key| key.rsplit_once('.').map(|(section, _)| section));
    KEYS.iter().copied().chain(sections)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// In lower case, words joined by underscores.
fn plain(text: &str) -> String {
    text.to_lowercase().replace(['.', '-'], "_")
}

/// How many characters must be added, removed or replaced (Wagner and Fischer, 1974).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, character) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        for (written, meant) in [
            ("redis.adr", "redis.addr"),
            ("redis.poolSize", "redis.pool_size"),
            ("redis.minIdleConns", "redis.min_idle_conns"),
            ("redis.read-timeout", "redis.read_timeout"),
            ("redis_addr", "redis.addr"),
            ("addr", "redis.addr"),
            ("ttl", "default_ttl"),
            ("redi", "redis"),
            ("redis.sentinel.node", "redis.sentinel.nodes"),
            ("redis.tls.ca", "redis.tls.ca_file"),
            ("timout", "timeout"),
        ] {
            assert_eq!(nearest(written), Some(meant), "{written}");
        }
        for written in ["", "x", "redis.zz", "colour", "memory.flavour"] {
            assert_eq!(nearest(written), None, "{written}");
        }
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (one, other, steps) in [("", "", 0), ("kitten", "sitting", 3), ("a", "", 1)] {
            assert_eq!(distance(one, other), steps);
            assert_eq!(distance(other, one), steps);
        }
    }
}
