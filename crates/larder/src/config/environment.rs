//! What environment variables say.

use std::collections::BTreeMap;
use std::env;

use larder_core::Result;

use super::keys;
use super::model::Config;
use super::overlay::overlay;
use super::read;
use super::section::{PREFIX, unknown};
use super::tree::{Entry, Node, Origin, Value, invalid};

/// The variables that others know too, and what they set. The first wins over the three after it.
const CONVENTIONAL: [(&str, &str); 5] = [
    ("REDIS_URL", "redis.url"),
    ("REDIS_ADDR", "redis.addr"),
    ("REDIS_PASSWORD", "redis.password"),
    ("REDIS_DB", "redis.db"),
    ("REDIS_POOL_SIZE", "redis.pool_size"),
];

impl Config {
    /// The settings that the environment has, alone.
    ///
    /// # Errors
    ///
    /// As [`Config::with_env`].
    pub fn from_env() -> Result<Self> {
        Self::default().with_env()
    }

    /// Lays the environment over these settings: `LARDER__SECTION__KEY` over `REDIS_URL`, `REDIS_ADDR`,
    /// `REDIS_PASSWORD`, `REDIS_DB` and `REDIS_POOL_SIZE`, and those over what is here. An empty variable
    /// says nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid), naming the variable: one that begins
    /// with `LARDER__` and names no setting, or a value that is none.
    pub fn with_env(self) -> Result<Self> {
        let ours = |name: &str| {
            name.starts_with(PREFIX) || CONVENTIONAL.iter().any(|(ours, _)| name == *ours)
        };
        let mut variables = Vec::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if ours(&name) {
                let Ok(value) = value.into_string() else {
                    return Err(invalid(format!("{name}: the value is no UTF-8 text")));
                };
                variables.push((name, value));
            }
        }
        self.with_env_from(variables)
    }

    /// As [`Config::with_env`], with these variables.
    ///
    /// # Errors
    ///
    /// As [`Config::with_env`].
    pub fn with_env_from(
        self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut own = Vec::new();
        let mut conventional = BTreeMap::new();
        for (name, value) in variables {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let path = rest.to_ascii_lowercase().replace("__", ".");
                if rest.contains('.') || !keys::is_known(&path) {
                    return Err(unknown(&path, &Origin::Variable(name)));
                }
                if !value.is_empty() {
                    insert(&mut own, &path, &Origin::Variable(name), value)?;
                }
            } else if !value.is_empty() {
                conventional.insert(name, value);
            }
        }
        if conventional.contains_key("REDIS_URL") {
            for shadowed in ["REDIS_ADDR", "REDIS_PASSWORD", "REDIS_DB"] {
                conventional.remove(shadowed);
            }
        }
        let own = read::config(Node::new(Value::Map(own)))?;
        let names_a_place =
            conventional.contains_key("REDIS_URL") || conventional.contains_key("REDIS_ADDR");
        // Other programs read these variables too: where Redis isn't used, they say nothing.
        let uses_redis = match own.driver.or(self.driver) {
            Some(driver) => driver.uses_redis(),
            None => names_a_place || own.redis.has_place() || self.redis.has_place(),
        };
        let mut config = self;
        if uses_redis {
            let mut tree = Vec::new();
            for (name, path) in CONVENTIONAL {
                if let Some(value) = conventional.remove(name) {
                    insert(&mut tree, path, &Origin::Variable(name.to_owned()), value)?;
                }
            }
            config = overlay(read::config(Node::new(Value::Map(tree)))?, config);
        }
        Ok(overlay(own, config))
    }
}

/// Puts a value into the tree at its path.
fn insert(entries: &mut Vec<Entry>, path: &str, origin: &Origin, value: String) -> Result<()> {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let index = entries.iter().position(|entry| entry.name == name);
    let index = index.unwrap_or_else(|| {
        entries.push(Entry {
            name: name.to_owned(),
            origin: origin.clone(),
            node: Node {
                value: Value::Nothing,
                origin: origin.clone(),
            },
        });
        entries.len() - 1
    });
    let node = &mut entries[index].node;
    match (rest, &mut node.value) {
        (Some(rest), Value::Map(inner)) => insert(inner, rest, origin, value),
        (Some(rest), other) if says_yes(other) => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, origin, value)?;
            node.value = Value::Map(inner);
            Ok(())
        }
        (None, Value::Nothing) => {
            node.value = Value::Text(value);
            Ok(())
        }
        (None, Value::Map(_)) if value == "true" => Ok(()),
        _ => {
            let message = "contradicts another variable, which names the same section";
            Err(origin.wrong(path, message))
        }
    }
}

/// Whether a section may take the place of this: nothing, or the `true` that switches it on.
fn says_yes(value: &Value) -> bool {
    match value {
        Value::Nothing => true,
        Value::Text(text) => text == "true",
        _ => false,
    }
}
