//! Names in what is generated.

use proc_macro2::Span;
use syn::Ident;
use syn::ext::IdentExt;

/// A variable of ours, which no expression of the user's sees or shadows.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A name without the mark of a raw identifier.
pub(crate) fn text(name: &Ident) -> String {
    name.unraw().to_string()
}
