//! Templates of keys and tags: text with arguments in it, `airport:{code}`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Ident, LitStr, Result};

use crate::hash;

/// A template that was read: what `format!` gets.
pub(crate) struct Template {
    literal: LitStr,
    format: String,
    placeholders: Vec<Placeholder>,
}

struct Placeholder {
    name: String,
    is_hashed: bool,
}

impl Template {
    /// Reads a template; the errors point at its text.
    pub(crate) fn read(literal: LitStr) -> Result<Self> {
        let text = literal.value();
        let fail = |message: String| syn::Error::new(literal.span(), message);
        if text.is_empty() {
            return Err(fail("an empty template".to_owned()));
        }
        let (mut format, mut placeholders) = (String::new(), Vec::new());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            format.push_str(before);
            if let Some(after) = ["{{", "}}"].iter().find_map(|two| from.strip_prefix(two)) {
                format.push_str(&from[..2]);
                rest = after;
                continue;
            }
            let Some(inside) = from.strip_prefix('{') else {
                return Err(fail(
                    "a `}` without its `{`: one as text is `}}`".to_owned(),
                ));
            };
            let Some((inside, after)) = inside.split_once('}') else {
                return Err(fail(
                    "a `{` without its `}`: one as text is `{{`".to_owned(),
                ));
            };
            let (placeholder, written) = placeholder(inside).map_err(fail)?;
            placeholders.push(placeholder);
            format.push_str(&written);
            rest = after;
        }
        format.push_str(rest);
        Ok(Self {
            literal,
            format,
            placeholders,
        })
    }

    /// The names that the template mentions, in its order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.placeholders
            .iter()
            .map(|placeholder| placeholder.name.as_str())
    }

    /// Whether an argument is hashed.
    pub(crate) fn hashes(&self) -> bool {
        self.placeholders
            .iter()
            .any(|placeholder| placeholder.is_hashed)
    }

    /// An error that points at this template.
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> syn::Error {
        syn::Error::new(self.literal.span(), message)
    }

    /// An expression of type `&str`; `find` tells the identifier of a name. What can't be formatted
    /// is an error at the template.
    pub(crate) fn text<'a>(&self, find: impl Fn(&str) -> Option<&'a Ident>) -> TokenStream {
        let span = self.literal.span();
        let format = LitStr::new(&self.format, span);
        if self.placeholders.is_empty() {
            let text = self.format.replace("{{", "{").replace("}}", "}");
            let text = LitStr::new(&text, span);
            return quote!(#text);
        }
        let hash = hash::name();
        let arguments = self.placeholders.iter().filter_map(|placeholder| {
            let mut argument = find(&placeholder.name)?.clone();
            argument.set_span(argument.span().located_at(span));
            Some(if placeholder.is_hashed {
                quote_spanned!(span=> #hash(&#argument))
            } else {
                quote!(#argument)
            })
        });
        quote_spanned!(span=> &::std::format!(#format, #(#arguments),*))
    }
}

/// Reads what stands between the braces: a name, and how it is formatted.
fn placeholder(inside: &str) -> std::result::Result<(Placeholder, String), String> {
    let (name, format) = match inside.split_once(':') {
        Some((name, format)) => (name.trim(), Some(format.trim_end())),
        None => (inside.trim(), None),
    };
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(format!(
            "`{{{inside}}}` names no argument: write its name, such as `{{code}}`"
        ));
    }
    let Ok(identifier) = Ident::parse_any.parse_str(name) else {
        return Err(format!(
            "`{name}` is not the name of an argument: a template takes names alone, no expressions"
        ));
    };
    let name = identifier.unraw().to_string();
    let (is_hashed, written) = match format {
        Some("hash") => (true, "{:016x}".to_owned()),
        Some(format) if format.contains(['$', '*']) => {
            return Err(format!(
                "`{{{inside}}}` takes its width or precision from an argument: write it as a number"
            ));
        }
        Some(format) => (false, format!("{{:{format}}}")),
        None => (false, "{}".to_owned()),
    };
    Ok((Placeholder { name, is_hashed }, written))
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn read(text: &str) -> Result<Template> {
        Template::read(LitStr::new(text, Span::call_site()))
    }

    fn assert_refused(text: &str, reason: &str) {
        let error = read(text).err().expect(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }

    #[test]
    fn names_and_formats_are_told_apart() {
        let template = read("a:{code}:{id:08}:{query:hash}:{{x}}{r#type:?}").unwrap();
        assert_eq!(template.format, "a:{}:{:08}:{:016x}:{{x}}{:?}");
        let names: Vec<&str> = template.names().collect();
        assert_eq!(names, ["code", "id", "query", "type"]);
        assert!(template.hashes());
        assert!(!read("all").unwrap().hashes());
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_reason() {
        assert_refused("", "an empty template");
        assert_refused("{0}", "names no argument");
        assert_refused("{}", "names no argument");
        assert_refused("{:08}", "names no argument");
        assert_refused("{user.id}", "no expressions");
        assert_refused("{code", "without its `}`");
        assert_refused("code}", "without its `{`");
        assert_refused("{id:width$}", "write it as a number");
        assert_refused("{id:.*}", "write it as a number");
    }
}
