//! Whether function and options agree: every argument is part of the key or of a tag, or is left out
//! on purpose, because two calls that differ in one that isn't would share an entry.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, GenericParam, Ident, Result};

use crate::function::{Argument, Function, Problems, Written};
use crate::names::text;
use crate::options::Options;
use crate::template::Template;
use crate::{scan, suggestion};

/// Checks the names. All that is wrong is in the error.
pub(crate) fn check(written: &Written, function: &Function, options: &Options) -> Result<()> {
    let mut problems = Problems::default();
    let names = Names { written, function };
    let templates = || options.key.iter().chain(&options.tags);
    for template in templates() {
        for name in template.names() {
            problems.note(names.check(template, name));
        }
    }
    let is_used = |name: &str| templates().any(|template| template.names().any(|n| n == name));
    for (at, ignored) in options.ignore.iter().enumerate() {
        problems.note(names.check_ignored(ignored, &is_used));
        if options.ignore[..at].contains(ignored) {
            let message = format!("`{ignored}` is listed a second time");
            problems.add(Error::new(ignored.span(), message));
        }
    }

    let is_ignored = |name: &Ident| options.ignore.iter().any(|ignored| same(ignored, name));
    let counted = || {
        let arguments = function.arguments.iter();
        arguments.filter(|argument| !is_ignored(&argument.name))
    };
    if options.key.is_none() && counted().next().is_some() {
        problems.add(without_key(written, counted()));
        return problems.or(());
    }
    for argument in counted().filter(|argument| !is_used(&text(&argument.name))) {
        let name = &argument.name;
        let message = format!(
            "`{name}` is in no template, so two calls that differ in it would share an entry: name it in `key` or `tags`, or list it in `ignore = [{name}]`"
        );
        problems.add(Error::new(name.span(), message));
    }
    for parameter in written.stated_parameters() {
        if is_ignored(parameter) || is_used(&text(parameter)) {
            continue;
        }
        let where_to = match names.place(parameter, &is_ignored) {
            Place::Value | Place::IgnoredArgument => continue,
            Place::Argument => {
                "is in the type of an argument, whose text may be the same for two types"
            }
            Place::Nowhere => "is in no argument and not in the value",
        };
        let message = format!(
            "`{parameter}` {where_to}, so two calls that differ in it would share an entry: list it in `ignore = [{parameter}]` if they may"
        );
        problems.add(Error::new(parameter.span(), message));
    }
    problems.or(())
}

fn same(one: &Ident, other: &Ident) -> bool {
    text(one) == text(other)
}

fn without_key<'a>(written: &Written, arguments: impl Iterator<Item = &'a Argument>) -> Error {
    let parts: Vec<String> = arguments
        .map(|argument| format!("{{{}}}", text(&argument.name)))
        .collect();
    let message = format!(
        "`key` may be left out only where there are no arguments: say what tells two calls apart, such as `key = \"{}:{}\"`",
        text(&written.signature.ident),
        parts.join(":")
    );
    Error::new(Span::call_site(), message)
}

struct Names<'a> {
    written: &'a Written,
    function: &'a Function,
}

impl Names<'_> {
    /// What a template may name: arguments, and constants that the function is generic over.
    fn in_templates(&self) -> impl Iterator<Item = String> {
        let arguments = self.function.arguments.iter();
        let parameters = self.written.signature.generics.params.iter();
        let constants = parameters.filter_map(|parameter| match parameter {
            GenericParam::Const(constant) => Some(&constant.ident),
            _ => None,
        });
        arguments
            .map(|argument| &argument.name)
            .chain(constants)
            .map(text)
    }

    fn check(&self, template: &Template, name: &str) -> Result<()> {
        let known: Vec<String> = self.in_templates().collect();
        if known.iter().any(|known| known == name) {
            return Ok(());
        }
        let advice = match suggestion::nearest(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!(": did you mean `{{{nearest}}}`?"),
            None if name == "self" => {
                ": `self` can't be formatted, and two of them share an entry unless their spaces differ"
                    .to_owned()
            }
            None if known.is_empty() => ": the function has none".to_owned(),
            None => format!(": the arguments are {}", known.join(", ")),
        };
        Err(template.error(format!("`{{{name}}}` names no argument{advice}")))
    }

    fn check_ignored(&self, ignored: &Ident, is_used: &impl Fn(&str) -> bool) -> Result<()> {
        let name = text(ignored);
        let parameters = self.written.stated_parameters().map(text);
        let message = if is_used(&name) {
            format!("`{name}` is in a template, so it isn't ignored: take it out of one of them")
        } else if self
            .in_templates()
            .chain(parameters)
            .any(|known| known == name)
        {
            return Ok(());
        } else if name == "self" {
            "`self` is ignored anyway".to_owned()
        } else {
            format!("the function has no argument `{name}`")
        };
        Err(Error::new(ignored.span(), message))
    }

    /// Where a generic parameter has to do with what is kept.
    fn place(&self, parameter: &Ident, is_ignored: &impl Fn(&Ident) -> bool) -> Place {
        let name = parameter.to_string();
        let depends = |shape: &dyn ToTokens| {
            let is_it = |token: &_| scan::is_word(token, &name);
            scan::find(&shape.to_token_stream(), &is_it).is_some()
        };
        if depends(&self.function.value) {
            return Place::Value;
        }
        let arguments = self.function.arguments.iter();
        let mut place = Place::Nowhere;
        for argument in arguments.filter(|argument| depends(&argument.shape)) {
            if !is_ignored(&argument.name) {
                return Place::Argument;
            }
            place = Place::IgnoredArgument;
        }
        place
    }
}

enum Place {
    /// In the value's type: entries of several types don't meet in one space.
    Value,
    /// In an argument that counts.
    Argument,
    /// In arguments alone that two calls may differ in.
    IgnoredArgument,
    Nowhere,
}
