//! The texts by which rules and records name what a call is about.

use larder_core::{BatchOperation, Fill, FillToken, Key, Marker};

pub(crate) fn key(key: &Key<'_>) -> Vec<String> {
    vec![key.text()]
}

pub(crate) fn keys(keys: &[Key<'_>]) -> Vec<String> {
    keys.iter().map(Key::text).collect()
}

pub(crate) fn operations(operations: &[BatchOperation<'_>]) -> Vec<String> {
    operations
        .iter()
        .map(|operation| operation.key().text())
        .collect()
}

pub(crate) fn fills(fills: &[Fill]) -> Vec<String> {
    fills.iter().map(|fill| fill.token.key().text()).collect()
}

pub(crate) fn tokens(tokens: &[FillToken]) -> Vec<String> {
    tokens.iter().map(|token| token.key().text()).collect()
}

pub(crate) fn markers(markers: &[Marker]) -> Vec<String> {
    markers.iter().map(Marker::stored_name).collect()
}
