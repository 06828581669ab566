//! Keys: namespace, prefix and name, with one hash computed once and one injective stored name.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use foldhash::quality::RandomState;

use crate::{Error, ErrorKind, Result};

/// What keeps caches apart in one store: 1 to 64 of `A-Z a-z 0-9 _ . -`.
///
/// No namespace is a prefix of another's stored names, because none contains the `:` that ends it.
/// Cheap to clone.
#[derive(Clone)]
pub struct Namespace {
    name: Arc<str>,
    hash: u64,
}

impl Namespace {
    /// The longest name in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Checks the name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyInvalid`] with the rule that it breaks.
    ///
    /// ```
    /// use larder_core::Namespace;
    ///
    /// assert!(Namespace::new("shop.eu-1").is_ok());
    /// assert!(Namespace::new("shop:eu").is_err());
    /// ```
    pub fn new(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if name.is_empty() || name.len() > Self::MAX_BYTES || !name.bytes().all(allowed) {
            return Err(Error::new(
                ErrorKind::KeyInvalid,
                "a namespace is 1 to 64 of the characters A-Z a-z 0-9 _ . -",
            )
            .with_key(name));
        }
        Ok(Self {
            name: name.into(),
            hash: hash_bytes(name.as_bytes()),
        })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name) || self.name == other.name
    }
}

impl Eq for Namespace {}

impl Hash for Namespace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A borrowed key. Its *text* is `prefix:name`, or the name alone where the prefix is empty, so
/// `("airport", "LHR")` and `("", "airport:LHR")` are the same key with the same hash.
///
/// Making one copies nothing that outlives the call; a hash map finds it without joining the text.
///
/// ```
/// use larder_core::{Key, Namespace};
///
/// let ns = Namespace::new("shop")?;
/// let key = Key::new(&ns, "airport", "LHR")?;
/// assert_eq!(key, Key::new(&ns, "", "airport:LHR")?);
/// assert_eq!(key.stored_name(), "shop:airport:LHR");
/// # Ok::<_, larder_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Key<'a> {
    namespace: &'a Namespace,
    prefix: &'a str,
    name: &'a str,
    hash: u64,
    /// The joined text, where an owned key lends it: a copy then shares it.
    shared: Option<&'a Arc<str>>,
}

impl<'a> Key<'a> {
    /// The longest text in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Checks and hashes a key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyInvalid`] if the name is empty or has a control character,
    /// [`ErrorKind::KeyTooLong`] if the text is longer than [`Key::MAX_BYTES`].
    pub fn new(namespace: &'a Namespace, prefix: &'a str, name: &'a str) -> Result<Self> {
        let key = Self::for_lookup(namespace, prefix, name);
        key.validate()?;
        Ok(key)
    }

    /// Hashes a key without checking it, for a memory look-up: nothing is stored under a name that
    /// breaks the rules, so it simply isn't there. Everything but [`Backend::peek`](crate::Backend::peek)
    /// takes keys from [`Key::new`].
    #[inline]
    pub fn for_lookup(namespace: &'a Namespace, prefix: &'a str, name: &'a str) -> Self {
        Self {
            namespace,
            prefix,
            name,
            hash: hash_text(prefix, name) ^ namespace.hash,
            shared: None,
        }
    }

    /// Checks the rules that [`Key::new`] checks.
    ///
    /// # Errors
    ///
    /// As [`Key::new`].
    pub fn validate(&self) -> Result<()> {
        if self.name.is_empty() {
            return Err(Error::new(ErrorKind::KeyInvalid, "a key can't be empty"));
        }
        if self.text_len() > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::KeyTooLong,
                format!(
                    "a key has at most {} bytes, this one has {}",
                    Self::MAX_BYTES,
                    self.text_len()
                ),
            )
            .with_key(self.name));
        }
        if self
            .prefix
            .chars()
            .chain(self.name.chars())
            .any(char::is_control)
        {
            return Err(Error::new(
                ErrorKind::KeyInvalid,
                "a key can't contain control characters",
            )
            .with_key(self.name));
        }
        Ok(())
    }

    /// The namespace.
    pub fn namespace(&self) -> &'a Namespace {
        self.namespace
    }

    /// The hash of namespace and text; differs from process to process.
    #[inline]
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// Length of the text in bytes.
    pub fn text_len(&self) -> usize {
        if self.prefix.is_empty() {
            self.name.len()
        } else {
            self.prefix.len() + 1 + self.name.len()
        }
    }

    /// The text, joined.
    pub fn text(&self) -> String {
        if self.prefix.is_empty() {
            self.name.to_owned()
        } else {
            let mut text = String::with_capacity(self.text_len());
            text.push_str(self.prefix);
            text.push(':');
            text.push_str(self.name);
            text
        }
    }

    /// Whether the text is `text`, without joining it.
    #[inline]
    pub fn text_is(&self, text: &str) -> bool {
        if self.prefix.is_empty() {
            return self.name == text;
        }
        let (text, prefix) = (text.as_bytes(), self.prefix.as_bytes());
        text.len() == prefix.len() + 1 + self.name.len()
            && text[prefix.len()] == b':'
            && &text[prefix.len() + 1..] == self.name.as_bytes()
            && &text[..prefix.len()] == prefix
    }

    /// Whether the text begins with `prefix` and a `:`.
    pub fn is_within(&self, prefix: &str) -> bool {
        if self.prefix == prefix {
            return true;
        }
        let text = if self.prefix.is_empty() {
            self.name
        } else {
            &self.text()
        };
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(':'))
    }

    /// The name under which a shared store keeps the entry: `<namespace>:<text>`, with a leading `~`,
    /// every `%`, and braces that are not one well-formed hash tag percent-escaped. Injective.
    pub fn stored_name(&self) -> String {
        let mut stored = String::with_capacity(self.namespace.name.len() + 1 + self.text_len());
        stored.push_str(&self.namespace.name);
        stored.push(':');
        let (prefix, name) = (self.prefix, self.name);
        let special = |part: &str| part.contains(['%', '~', '{', '}']);
        if special(prefix) || special(name) {
            escape(&self.text(), &mut stored);
        } else {
            stored.push_str(prefix);
            if !prefix.is_empty() {
                stored.push(':');
            }
            stored.push_str(name);
        }
        stored
    }

    /// An owned copy. That of a borrowed [`KeyBuf`] shares its text, and nothing is allocated.
    pub fn to_buf(&self) -> KeyBuf {
        KeyBuf {
            namespace: self.namespace.clone(),
            text: self.shared.map_or_else(|| self.joined(), Arc::clone),
            hash: self.hash,
        }
    }

    fn joined(&self) -> Arc<str> {
        if self.prefix.is_empty() {
            return self.name.into();
        }
        let len = self.text_len();
        if len <= SHORT {
            let text = join::<SHORT>(self.prefix, self.name);
            if let Ok(text) = str::from_utf8(&text[..len]) {
                return text.into();
            }
        }
        self.text().into()
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.namespace == other.namespace
            && (other.prefix.is_empty() && self.text_is(other.name) || self.text_is(&other.text()))
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:?}", self.namespace, self.text())
    }
}

/// An owned key, cheap to clone.
#[derive(Clone)]
pub struct KeyBuf {
    namespace: Namespace,
    text: Arc<str>,
    hash: u64,
}

impl KeyBuf {
    /// The key that a stored name stands for, if it is an entry of this namespace.
    ///
    /// The inverse of [`Key::stored_name`]; names that no key has (internals, malformed escapes) are `None`.
    pub fn from_stored_name(namespace: &Namespace, stored: &str) -> Option<Self> {
        let escaped = stored.strip_prefix(namespace.as_str())?.strip_prefix(':')?;
        let text = unescape(escaped)?;
        let key = Key::new(namespace, "", &text).ok()?;
        (key.stored_name() == stored).then(|| key.to_buf())
    }

    /// The key, borrowed.
    pub fn as_key(&self) -> Key<'_> {
        Key {
            namespace: &self.namespace,
            prefix: "",
            name: &self.text,
            hash: self.hash,
            shared: Some(&self.text),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The text: `prefix:name`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The hash of namespace and text.
    #[inline]
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// Whether this is `key`, without joining its text.
    #[inline]
    pub fn is(&self, key: &Key<'_>) -> bool {
        self.hash == key.hash && key.text_is(&self.text) && self.namespace == *key.namespace
    }
}

impl PartialEq for KeyBuf {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text && self.namespace == other.namespace
    }
}

impl Eq for KeyBuf {}

impl Hash for KeyBuf {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl From<&Key<'_>> for KeyBuf {
    fn from(key: &Key<'_>) -> Self {
        key.to_buf()
    }
}

impl fmt::Debug for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_key(), f)
    }
}

/// A hasher that hands on the hash a [`Key`] already carries, for maps keyed by [`KeyBuf`].
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= hash_bytes(bytes);
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Builds [`KeyHasher`]s.
pub type KeyHashBuilder = std::hash::BuildHasherDefault<KeyHasher>;

/// Seeded per process, so that whoever chooses keys can't choose collisions.
static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);

pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Texts that are joined on the stack in any case, in bytes.
const SHORT: usize = 64;

/// The hash of the joined text. The text is joined on the stack because a hash of two parts would
/// depend on where they were cut.
#[inline]
fn hash_text(prefix: &str, name: &str) -> u64 {
    if prefix.is_empty() {
        return hash_bytes(name.as_bytes());
    }
    let len = prefix.len() + 1 + name.len();
    if len <= SHORT {
        hash_bytes(&join::<SHORT>(prefix, name)[..len])
    } else {
        hash_long(prefix, name, len)
    }
}

/// Joins a text that fits on the stack.
#[inline]
fn join<const N: usize>(prefix: &str, name: &str) -> [u8; N] {
    let mut text = [0; N];
    text[..prefix.len()].copy_from_slice(prefix.as_bytes());
    text[prefix.len()] = b':';
    text[prefix.len() + 1..][..name.len()].copy_from_slice(name.as_bytes());
    text
}

#[cold]
fn hash_long(prefix: &str, name: &str, len: usize) -> u64 {
    if len <= Key::MAX_BYTES {
        hash_bytes(&join::<{ Key::MAX_BYTES }>(prefix, name)[..len])
    } else {
        hash_bytes(format!("{prefix}:{name}").as_bytes())
    }
}

/// Appends `text` with what would leave the namespace or change the slot percent-escaped.
pub(crate) fn escape(text: &str, out: &mut String) {
    let keep_braces = has_one_hash_tag(text);
    for (at, c) in text.char_indices() {
        match c {
            '%' => out.push_str("%25"),
            '~' if at == 0 => out.push_str("%7E"),
            '{' | '}' if !keep_braces => {
                out.push_str(if c == '{' { "%7B" } else { "%7D" });
            }
            _ => out.push(c),
        }
    }
}

/// One `{`, then something, then one `}`: what Redis Cluster takes as a hash tag, with nothing doubtful.
fn has_one_hash_tag(text: &str) -> bool {
    let Some((before, rest)) = text.split_once('{') else {
        return false;
    };
    let Some((tag, after)) = rest.split_once('}') else {
        return false;
    };
    let braces = |part: &str| part.contains(['{', '}']);
    !tag.is_empty() && !braces(before) && !braces(tag) && !braces(after)
}

pub(crate) fn unescape(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        text.push(match after.get(..2)? {
            "25" => '%',
            "7E" => '~',
            "7B" => '{',
            "7D" => '}',
            _ => return None,
        });
        rest = &after[2..];
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn namespace() -> Namespace {
        Namespace::new("app").unwrap()
    }

    #[test]
    fn s4_a_namespace_with_a_colon_is_refused() {
        for bad in ["", "a:b", "a b", "ä", "a{b}", "~a", &"x".repeat(65)] {
            assert_eq!(
                Namespace::new(bad).unwrap_err().kind(),
                ErrorKind::KeyInvalid,
                "{bad:?}"
            );
        }
        assert!(Namespace::new(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn s5_a_bad_key_says_which_rule_it_breaks() {
        let ns = namespace();
        let kind = |prefix, name: &str| Key::new(&ns, prefix, name).unwrap_err().kind();
        assert_eq!(kind("", ""), ErrorKind::KeyInvalid);
        assert_eq!(kind("airport", ""), ErrorKind::KeyInvalid);
        assert_eq!(kind("", "a\nb"), ErrorKind::KeyInvalid);
        assert_eq!(kind("", "a\u{85}b"), ErrorKind::KeyInvalid);
        assert_eq!(kind("", &"x".repeat(513)), ErrorKind::KeyTooLong);
        assert_eq!(kind("airport", &"x".repeat(505)), ErrorKind::KeyTooLong);
        assert!(Key::new(&ns, "airport", &"x".repeat(504)).is_ok());
    }

    #[test]
    fn the_escapes_are_the_documented_ones() {
        let ns = namespace();
        for (text, stored) in [
            ("airport:LHR", "app:airport:LHR"),
            ("~g", "app:%7Eg"),
            ("a~b", "app:a~b"),
            ("100%", "app:100%25"),
            ("{user:1}:name", "app:{user:1}:name"),
            ("a}b", "app:a%7Db"),
            ("{}x", "app:%7B%7Dx"),
            ("{a}{b}", "app:%7Ba%7D%7Bb%7D"),
            ("{{a}}", "app:%7B%7Ba%7D%7D"),
        ] {
            assert_eq!(Key::new(&ns, "", text).unwrap().stored_name(), stored);
        }
    }

    fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just('{'),
                Just('}'),
                Just('%'),
                Just('~'),
                Just(':'),
                Just('7'),
                Just('E'),
                Just('a'),
                Just('é')
            ],
            1..12,
        )
        .prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn s4_stored_names_are_injective(a in text(), b in text()) {
            let ns = namespace();
            let (a, b) = (Key::new(&ns, "", &a).unwrap(), Key::new(&ns, "", &b).unwrap());
            prop_assert_eq!(a.stored_name() == b.stored_name(), a == b);
        }

        #[test]
        fn s4_a_stored_name_leads_back_to_its_key_and_never_to_internals(text in text()) {
            let ns = namespace();
            let key = Key::new(&ns, "", &text).unwrap();
            let stored = key.stored_name();
            prop_assert!(!stored.starts_with("app:~"));
            prop_assert_eq!(KeyBuf::from_stored_name(&ns, &stored).unwrap(), key.to_buf());
        }

        #[test]
        fn a_key_is_the_same_wherever_it_is_cut(text in "[a-c:]{3,80}") {
            let ns = namespace();
            let whole = Key::for_lookup(&ns, "", &text);
            for (at, _) in text.match_indices(':').filter(|(at, _)| *at > 0) {
                let cut = Key::for_lookup(&ns, &text[..at], &text[at + 1..]);
                prop_assert_eq!(cut.hash64(), whole.hash64());
                prop_assert_eq!(cut, whole);
                prop_assert_eq!(whole, cut);
                prop_assert!(whole.to_buf().is(&cut));
                prop_assert!(whole.is_within(&text[..at]) && cut.is_within(&text[..at]));
            }
        }
    }

    #[test]
    fn keys_of_two_namespaces_differ() {
        let (a, b) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        assert_ne!(
            Key::new(&a, "", "k").unwrap(),
            Key::new(&b, "", "k").unwrap()
        );
        assert!(
            !Key::new(&a, "", "k")
                .unwrap()
                .to_buf()
                .is(&Key::new(&b, "", "k").unwrap())
        );
    }
}
