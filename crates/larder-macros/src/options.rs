//! The options of the attribute, as they are written: `cache = …, key = "…", ttl = "5m"`.

use std::time::Duration;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token};

use crate::template::Template;
use crate::{duration, suggestion};

/// What can be said, in the order of the documentation.
const NAMES: &[&str] = &[
    "cache",
    "key",
    "ttl",
    "stale_for",
    "tags",
    "skip_if",
    "ignore",
    "crate",
];

/// The options that were given.
pub(crate) struct Options {
    pub(crate) cache: Expr,
    pub(crate) key: Option<Template>,
    pub(crate) ttl: Option<Lasting>,
    pub(crate) stale_for: Option<Lasting>,
    pub(crate) tags: Vec<Template>,
    pub(crate) skip_if: Option<Expr>,
    pub(crate) ignore: Vec<Ident>,
    pub(crate) krate: Path,
}

/// How long something lasts.
pub(crate) enum Lasting {
    /// Known when the program is compiled.
    For(Duration),
    /// An expression of type `Duration`.
    Computed(Expr),
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut given: Vec<Ident> = Vec::new();
        let (mut cache, mut key, mut ttl, mut stale_for) = (None, None, None, None);
        let (mut tags, mut skip_if, mut ignore, mut krate) = (Vec::new(), None, Vec::new(), None);
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            let text = name.to_string();
            if !NAMES.contains(&text.as_str()) {
                return Err(unknown(&name));
            }
            if given.contains(&name) {
                return Err(Error::new(
                    name.span(),
                    format!("`{text}` is given a second time"),
                ));
            }
            input.parse::<Token![=]>()?;
            match text.as_str() {
                "cache" => cache = Some(input.parse()?),
                "key" => key = Some(template(input)?),
                "ttl" => ttl = Some(ttl_of(input)?),
                "stale_for" => stale_for = Some(lasting(input)?),
                "tags" => tags = list(input, template)?,
                "skip_if" => skip_if = Some(input.parse()?),
                "ignore" => ignore = list(input, Ident::parse_any)?,
                _ => krate = Some(input.call(Path::parse_mod_style)?),
            }
            given.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let missing =
            "`cache` is missing: say which space keeps the values, such as `cache = airports()`";
        Ok(Self {
            cache: cache.ok_or_else(|| Error::new(Span::call_site(), missing))?,
            key,
            ttl,
            stale_for,
            tags,
            skip_if,
            ignore,
            krate: krate.unwrap_or_else(|| syn::parse_quote!(::larder)),
        })
    }
}

fn unknown(name: &Ident) -> Error {
    let advice = match suggestion::nearest(&name.to_string(), NAMES.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("the options are {}", NAMES.join(", ")),
    };
    Error::new(name.span(), format!("unknown option `{name}`: {advice}"))
}

fn template(input: ParseStream<'_>) -> Result<Template> {
    let literal = input.parse::<LitStr>().map_err(|error| {
        let expected = "expected a template in quotes, such as \"airport:{code}\"";
        Error::new(error.span(), expected)
    })?;
    Template::read(literal)
}

/// A list in brackets.
fn list<T>(input: ParseStream<'_>, item: impl Fn(ParseStream<'_>) -> Result<T>) -> Result<Vec<T>> {
    let inside;
    syn::bracketed!(inside in input);
    let mut items = Vec::new();
    while !inside.is_empty() {
        items.push(item(&inside)?);
        if !inside.is_empty() {
            inside.parse::<Token![,]>()?;
        }
    }
    Ok(items)
}

fn ttl_of(input: ParseStream<'_>) -> Result<Lasting> {
    let span = input.span();
    match lasting(input)? {
        Lasting::For(duration) if duration.is_zero() => Err(Error::new(
            span,
            "a time to live can't be zero: leave `ttl` out for the space's own",
        )),
        lasting => Ok(lasting),
    }
}

fn lasting(input: ParseStream<'_>) -> Result<Lasting> {
    let expression: Expr = input.parse()?;
    match &expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => duration::parse(&text.value())
            .map(Lasting::For)
            .map_err(|problem| Error::new(text.span(), problem)),
        Expr::Lit(literal) => Err(Error::new(
            literal.span(),
            "expected a duration in quotes, such as \"5m\", or an expression of type `Duration`",
        )),
        _ => Ok(Lasting::Computed(expression)),
    }
}
