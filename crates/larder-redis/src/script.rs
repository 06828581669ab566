//! The scripts that decide and write in one step, and how they are called: by their name where the
//! server knows it, by their text where it has forgotten.

use bytes::Bytes;

use crate::driver::{Command, Connection, Fault, fixed, number};

/// What the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Fill,
    Refresh,
    Release,
    Renew,
    Expire,
    Increment,
    Replace,
    Take,
    ExpireMarker,
}

/// The scripts in the order of [`Script`].
const TEXTS: [&str; 9] = [
    include_str!("scripts/fill.lua"),
    include_str!("scripts/refresh.lua"),
    include_str!("scripts/release.lua"),
    include_str!("scripts/renew.lua"),
    concat!(
        include_str!("scripts/judge.lua"),
        include_str!("scripts/expire.lua")
    ),
    concat!(
        include_str!("scripts/judge.lua"),
        include_str!("scripts/increment.lua")
    ),
    concat!(
        include_str!("scripts/judge.lua"),
        include_str!("scripts/replace.lua")
    ),
    concat!(
        include_str!("scripts/judge.lua"),
        include_str!("scripts/take.lua")
    ),
    include_str!("scripts/expire_marker.lua"),
];

impl Script {
    /// The text.
    pub(crate) const fn text(self) -> &'static str {
        TEXTS[self as usize]
    }
}

/// The names by which a server knows the scripts.
#[derive(Clone, Debug)]
pub(crate) struct Scripts([Bytes; TEXTS.len()]);

impl Scripts {
    /// Loads the scripts into the server's cache; it names them.
    pub(crate) async fn load(
        connection: &Connection,
        timeout: std::time::Duration,
    ) -> Result<Self, Fault> {
        let loads = TEXTS.map(|text| Command::fixed("SCRIPT", &["LOAD", text]));
        let replies = connection.pipeline(loads.into(), timeout).await?;
        let mut names = Vec::with_capacity(TEXTS.len());
        for reply in replies {
            let name = reply?.into_bytes()?.unwrap_or_default();
            names.push(Bytes::copy_from_slice(&name));
        }
        let names = names.try_into();
        names
            .map(Self)
            .map_err(|_other_length| Fault::Lost("an incomplete answer".into()))
    }

    /// A call by name, or by text where the server may have forgotten the name.
    pub(crate) fn call(&self, call: &Call, by_text: bool) -> Command {
        let (name, script) = if by_text {
            ("EVAL", fixed(call.script.text()))
        } else {
            ("EVALSHA", self.0[call.script as usize].clone())
        };
        let mut arguments = Vec::with_capacity(2 + call.keys.len() + call.arguments.len());
        arguments.extend([script, number(call.keys.len())]);
        arguments.extend(call.keys.iter().cloned());
        arguments.extend(call.arguments.iter().cloned());
        Command::new(name, arguments)
    }
}

/// A call of a script.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) script: Script,
    pub(crate) keys: Vec<Bytes>,
    pub(crate) arguments: Vec<Bytes>,
}
