//! A section of the tree, from which each setting is taken once; what nobody takes is a mistake.

use larder_core::Result;

use super::keys;
use super::quantity::Read;
use super::tree::{Entry, Node, Origin, Value};

/// The settings of one section that nobody has taken yet.
pub(super) struct Section {
    path: &'static str,
    entries: Vec<Entry>,
}

impl Section {
    /// The section at this path; one that says nothing is empty.
    pub(super) fn new(path: &'static str, node: Node) -> Result<Self> {
        let entries = match node.value {
            Value::Map(entries) => entries,
            Value::Nothing => Vec::new(),
            _ => {
                let message = format!("expected a section of settings, found {}", node.kind());
                return Err(node.origin.wrong(path, message));
            }
        };
        let section = Self { path, entries };
        for entry in &section.entries {
            let path = section.path_of(&entry.name);
            if !keys::is_known(&path) || entry.name.contains('.') {
                return Err(unknown(&path, &entry.origin));
            }
        }
        Ok(section)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// What stands under a name, if anything does.
    fn node(&mut self, name: &str) -> Option<Node> {
        debug_assert!(keys::is_known(&self.path_of(name)), "a key without a name");
        let index = self.entries.iter().position(|entry| entry.name == name)?;
        let node = self.entries.swap_remove(index).node;
        (!matches!(node.value, Value::Nothing)).then_some(node)
    }

    /// The setting of this name.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Node) -> Read<T>,
    ) -> Result<Option<T>> {
        let Some(node) = self.node(name) else {
            return Ok(None);
        };
        match read(&node) {
            Ok(value) => Ok(Some(value)),
            Err(message) => Err(node.origin.wrong(&self.path_of(name), message)),
        }
    }

    /// The section of this name; without it an empty one.
    pub(super) fn section(&mut self, name: &'static str, path: &'static str) -> Result<Self> {
        let node = self.node(name);
        Self::new(path, node.unwrap_or_else(|| Node::new(Value::Nothing)))
    }

    /// The section of this name, if there is one, or the value that stands in its place.
    pub(super) fn section_or(
        &mut self,
        name: &'static str,
        path: &'static str,
    ) -> Result<Option<SectionOr>> {
        match self.node(name) {
            None => Ok(None),
            Some(node) if matches!(node.value, Value::Map(_)) => {
                Self::new(path, node).map(|section| Some(SectionOr::Section(section)))
            }
            Some(node) => Ok(Some(SectionOr::Value(node))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

pub(super) enum SectionOr {
    Section(Section),
    Value(Node),
}

/// An unknown key, named, with the one that was probably meant.
pub(super) fn unknown(path: &str, origin: &Origin) -> larder_core::Error {
    // What doesn't look like the name of a setting may be a secret that slipped into its place.
    let named = path.len() <= 128
        && path
            .chars()
            .all(|character| character.is_alphanumeric() || "._- ".contains(character));
    if !named {
        return origin.wrong("", "a key that doesn't look like the name of a setting");
    }
    let meant = keys::nearest(path).map(|meant| {
        let meant = if matches!(origin, Origin::Variable(_)) {
            variable(meant)
        } else {
            meant.to_owned()
        };
        format!(", did you mean {meant}?")
    });
    let message = format!("no such setting{}", meant.unwrap_or_default());
    origin.wrong(path, message)
}

/// The prefix of the variables that name settings.
pub(super) const PREFIX: &str = "LARDER__";

/// The variable that sets a key.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}
