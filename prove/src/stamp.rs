//! What every value says of itself: its key, the origin's version that it shows, and who made it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::keys::KeyIndex;

/// A value. No two loads and no two sets make the same one, so that each can be followed through the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Stamp {
    pub(crate) key: KeyIndex,
    /// The origin's version.
    pub(crate) version: u64,
    pub(crate) node: u8,
    pub(crate) incarnation: u16,
    /// Counted by the process.
    pub(crate) sequence: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            version,
            node,
            incarnation,
            sequence,
        } = self;
        write!(f, "<k{key}v{version}n{node}.{incarnation}.{sequence}>")
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.to_string()
    }
}

impl TryFrom<String> for Stamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Stamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| format!("no stamp: {text:?}"))
    }
}

fn parse(text: &str) -> Option<Stamp> {
    let text = text.strip_prefix("<k")?.strip_suffix('>')?;
    let (key, text) = text.split_once('v')?;
    let (version, maker) = text.split_once('n')?;
    let mut maker = maker.split('.');
    Some(Stamp {
        key: key.parse().ok()?,
        version: version.parse().ok()?,
        node: maker.next()?.parse().ok()?,
        incarnation: maker.next()?.parse().ok()?,
        sequence: maker.next()?.parse().ok()?,
    })
}

impl Stamp {
    /// The stamp in an entry's bytes as Redis has them, without any of the code under test.
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        let starts = bytes.windows(2).enumerate();
        starts
            .filter(|(_, window)| window == b"<k")
            .find_map(|(start, _)| {
                let rest = &bytes[start..];
                let end = rest.iter().position(|byte| *byte == b'>')?;
                std::str::from_utf8(&rest[..=end]).ok()?.parse().ok()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_where_it_was_written() {
        let stamp = Stamp {
            key: 3,
            version: 17,
            node: 1,
            incarnation: 2,
            sequence: 345,
        };
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        let bytes = [
            b"\xc1\x01<kx>\xae".as_slice(),
            stamp.to_string().as_bytes(),
            b"\0",
        ]
        .concat();
        assert_eq!(Stamp::find(&bytes), Some(stamp));
        assert_eq!(Stamp::find(b"garbage"), None);
    }
}
