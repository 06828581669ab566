//! Glob patterns with exactly Redis' semantics, matched over bytes.

use std::fmt;

use crate::{Error, ErrorKind, Key, Result};

/// A pattern over the text of keys: `?`, `*`, `[abc]`, `[^a]`, `[a-z]`, `\x`.
///
/// The semantics are those of Redis' `KEYS` and `SCAN … MATCH` (`stringmatchlen` in its `util.c`):
/// `*` crosses every character, a class that is never closed runs to the end, the ends of a range may
/// be swapped, `[^` negates (`[!` doesn't), and a lone `\` at the end is itself. Matching takes at most
/// pattern × text steps; Redis' own recursion can take exponentially many.
///
/// ```
/// use larder_core::Pattern;
///
/// assert!(Pattern::new("airport:[A-L]*")?.matches("airport:LHR"));
/// assert!(!Pattern::new("airport:?")?.matches("airport:LHR"));
/// # Ok::<_, larder_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The longest pattern in bytes: a key with every byte escaped.
    pub const MAX_BYTES: usize = 2 * Key::MAX_BYTES;

    /// Checks a pattern's length; every text is a pattern.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTooLong`] if it is longer than [`Pattern::MAX_BYTES`].
    pub fn new(pattern: &str) -> Result<Self> {
        if pattern.len() > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::KeyTooLong,
                format!(
                    "a pattern has at most {} bytes, this one has {}",
                    Self::MAX_BYTES,
                    pattern.len()
                ),
            ));
        }
        Ok(Self(pattern.into()))
    }

    /// The pattern for keys under a prefix: what `prefix` holds is taken literally.
    ///
    /// # Errors
    ///
    /// As [`Pattern::new`].
    pub fn within(prefix: &str, pattern: &str) -> Result<Self> {
        if prefix.is_empty() {
            return Self::new(pattern);
        }
        let mut joined = String::with_capacity(prefix.len() + 1 + pattern.len());
        for c in prefix.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                joined.push('\\');
            }
            joined.push(c);
        }
        joined.push(':');
        joined.push_str(pattern);
        Self::new(&joined)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Greedy with one point to come back to: a later `*` can do whatever an earlier one could, so only
/// the last is ever retried.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() {
            if pattern[p] == b'*' {
                p += 1;
                last_star = Some((p, t));
                continue;
            }
            let (hit, next) = match_one(pattern, p, text[t]);
            if hit {
                p = next;
                t += 1;
                continue;
            }
        }
        let Some((after_star, from)) = last_star else {
            return false;
        };
        p = after_star;
        t = from + 1;
        last_star = Some((after_star, t));
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether the element at `p` matches `byte`, and where the next element begins.
fn match_one(pattern: &[u8], p: usize, byte: u8) -> (bool, usize) {
    match pattern[p] {
        b'?' => (true, p + 1),
        b'[' => match_class(pattern, p + 1, byte),
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == byte, p + 2),
        literal => (literal == byte, p + 1),
    }
}

fn match_class(pattern: &[u8], mut p: usize, byte: u8) -> (bool, usize) {
    let negated = pattern.get(p) == Some(&b'^');
    if negated {
        p += 1;
    }
    let mut hit = false;
    loop {
        match pattern[p.min(pattern.len())..] {
            // Never closed: the class ends with the pattern.
            [] => return (hit != negated, p),
            [b'\\', escaped, ..] => {
                hit |= escaped == byte;
                p += 2;
            }
            [b']', ..] => return (hit != negated, p + 1),
            [from, b'-', to, ..] => {
                hit |= (from.min(to)..=from.max(to)).contains(&byte);
                p += 3;
            }
            [literal, ..] => {
                hit |= literal == byte;
                p += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recursion of `stringmatchlen`, kept as close to its shape as Rust allows: what the
    /// iteration above must agree with.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        let (mut p, mut t) = (pattern, text);
        while !p.is_empty() && !t.is_empty() {
            match p[0] {
                b'*' => {
                    while p.len() > 1 && p[1] == b'*' {
                        p = &p[1..];
                    }
                    if p.len() == 1 {
                        return true;
                    }
                    return (0..=t.len()).any(|skip| reference(&p[1..], &t[skip..]));
                }
                b'?' => t = &t[1..],
                b'[' => {
                    p = &p[1..];
                    let negated = p.first() == Some(&b'^');
                    if negated {
                        p = &p[1..];
                    }
                    let mut hit = false;
                    loop {
                        if p.len() >= 2 && p[0] == b'\\' {
                            p = &p[1..];
                            hit |= p[0] == t[0];
                        } else if p.is_empty() || p[0] == b']' {
                            break;
                        } else if p.len() >= 3 && p[1] == b'-' {
                            let (from, to) = (p[0].min(p[2]), p[0].max(p[2]));
                            hit |= from <= t[0] && t[0] <= to;
                            p = &p[2..];
                        } else {
                            hit |= p[0] == t[0];
                        }
                        p = &p[1..];
                    }
                    if hit == negated {
                        return false;
                    }
                    t = &t[1..];
                }
                c => {
                    let literal = if c == b'\\' && p.len() >= 2 {
                        p = &p[1..];
                        p[0]
                    } else {
                        c
                    };
                    if literal != t[0] {
                        return false;
                    }
                    t = &t[1..];
                }
            }
            p = p.get(1..).unwrap_or_default();
        }
        if t.is_empty() {
            while p.first() == Some(&b'*') {
                p = &p[1..];
            }
        }
        p.is_empty() && t.is_empty()
    }

    #[test]
    fn redis_corner_cases() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "a/b{c}", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[!e]llo", "h!llo", true),
            ("h[!e]llo", "hallo", false),
            ("h[c-a]llo", "hbllo", true),
            ("h[a", "ha", true),
            ("h[", "hx", false),
            ("h[^", "hx", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a\\", true),
            ("[\\]]", "]", true),
            ("[a-]", "-", false),
            ("[a-]", "]", true),
            ("[a-c-]", "-", true),
            ("[]a", "a", false),
            ("{a,b}", "{a,b}", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches(text),
                expected,
                "{pattern:?} on {text:?}"
            );
            assert_eq!(
                reference(pattern.as_bytes(), text.as_bytes()),
                expected,
                "reference: {pattern:?} on {text:?}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = Pattern::new(&"a*".repeat(400)).unwrap();
        assert!(!pattern.matches(&("a".repeat(399) + "b")));
    }

    #[test]
    fn s4_a_prefix_is_taken_literally() {
        let pattern = Pattern::within("a*[x]", "b*").unwrap();
        assert!(pattern.matches("a*[x]:bc"));
        assert!(!pattern.matches("aZx:bc"));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_recursion(pattern in r"[ab*?\[\]^\-\\]{0,9}", text in r"[ab\-\]\\]{0,7}") {
            proptest::prop_assert_eq!(
                Pattern::new(&pattern).unwrap().matches(&text),
                reference(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
