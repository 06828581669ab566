//! The function that the attribute stands on, and what of it can be cached.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Ident, Pat, PathArguments, Receiver,
    ReceiverKind, Result, ReturnType, Safety, Signature, Type, TypeReference, Visibility,
};

use crate::scan;

/// A function as it was written. The body is not looked into.
pub(crate) struct Written {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenTree,
}

/// What a cached function needs to know of the one that was written.
pub(crate) struct Function {
    pub(crate) receiver: Option<Receiver>,
    pub(crate) arguments: Vec<Argument>,
    /// The type of what is cached.
    pub(crate) value: Type,
    /// Where the function may fail: its return type, which names `Result`.
    pub(crate) failing: Option<Type>,
}

/// An argument with a name.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) shape: Type,
    /// What it borrows, if it does: the load gets an owned one.
    pub(crate) borrowed: Option<Type>,
}

impl Parse for Written {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature: Signature = input
            .parse()
            .map_err(|error| Error::new(error.span(), "`#[cached]` goes on async functions"))?;
        let body = match input.parse()? {
            body @ TokenTree::Group(_) => body,
            other => {
                let message = "a function without a body has nothing to cache";
                return Err(Error::new(other.span(), message));
            }
        };
        Ok(Self {
            attributes,
            visibility,
            signature,
            body,
        })
    }
}

impl Written {
    /// Looks the function over. All that is wrong is in the error.
    pub(crate) fn look_over(&self) -> Result<Function> {
        let signature = &self.signature;
        let mut problems = Problems::default();
        if signature.asyncness.is_none() {
            let message = "`#[cached]` goes on async functions: add `async`";
            problems.add(Error::new(signature.fn_token.span, message));
        }
        if let Safety::Unsafe(token) = &signature.safety {
            let message =
                "an unsafe function can't be cached: its conditions would be checked by nobody";
            problems.add(Error::new(token.span, message));
        }
        let mut function = Function {
            receiver: None,
            arguments: Vec::new(),
            value: Type::Verbatim(TokenStream::new()),
            failing: None,
        };
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    problems.note(check_receiver(receiver));
                    function.receiver = Some(receiver.clone());
                }
                FnArg::Typed(typed) => {
                    if let Some(argument) = problems.note(argument(typed)) {
                        function.arguments.push(argument);
                    }
                }
            }
        }
        if let Some((value, failing)) = problems.note(returned(signature)) {
            function.value = value;
            function.failing = failing;
        }
        if function.receiver.is_none() {
            let tokens = self.of_its_own_type();
            if let Some(token) = scan::find(&tokens, &|token| scan::is_word(token, "Self")) {
                let message = "a function of a type that has no `self` can't be cached: take `&self`, or move it out of the `impl`";
                problems.add(Error::new(token.span(), message));
            }
        }
        problems.or(function)
    }

    /// Where `Self` can only be the type that the function belongs to: not in a body with types of its own.
    fn of_its_own_type(&self) -> TokenStream {
        let mut tokens = self.signature.to_token_stream();
        let body = TokenStream::from(self.body.clone());
        let opens = ["impl", "trait", "struct", "enum", "union"];
        let is_opening = |token: &TokenTree| opens.iter().any(|word| scan::is_word(token, word));
        if scan::find(&body, &is_opening).is_none() {
            tokens.extend(body);
        }
        tokens
    }

    /// The generic parameters without lifetimes, as the call of a function states them: `::<T, N>`.
    pub(crate) fn turbofish(&self) -> TokenStream {
        let stated: Vec<&Ident> = self.stated_parameters().collect();
        match stated.as_slice() {
            [] => TokenStream::new(),
            stated => quote!(::<#(#stated),*>),
        }
    }

    /// The names of the generic types and constants.
    pub(crate) fn stated_parameters(&self) -> impl Iterator<Item = &Ident> {
        let parameters = self.signature.generics.params.iter();
        parameters.filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
    }

    /// The name of a function beside this one: `airport_uncached`.
    pub(crate) fn sibling(&self, what: &str) -> Ident {
        format_ident!("{}_{what}", self.signature.ident)
    }
}

impl Argument {
    /// The argument by its name alone, without `mut` and attributes.
    pub(crate) fn plain(&self) -> FnArg {
        let Self { name, shape, .. } = self;
        syn::parse_quote!(#name: #shape)
    }
}

fn check_receiver(receiver: &Receiver) -> Result<()> {
    let message = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return Ok(()),
        ReceiverKind::Reference(..) => {
            "`&mut self` can't be cached, because a hit would change nothing: take `&self`"
        }
        _ => "`self` by value can't be cached: take `&self`, of which the load gets a clone",
    };
    Err(Error::new(receiver.span(), message))
}

fn argument(typed: &syn::PatType) -> Result<Argument> {
    if let Some(attribute) = typed
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("cfg"))
    {
        let message = "an argument that is not always there can't be cached";
        return Err(Error::new(attribute.span(), message));
    }
    let name = match &*typed.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            pattern.ident.clone()
        }
        other => {
            let message =
                "the argument needs a name: what it is made of is taken apart in the body";
            return Err(Error::new(other.span(), message));
        }
    };
    let tokens = typed.ty.to_token_stream();
    if let Some(token) = scan::find(&tokens, &|token| scan::is_word(token, "impl")) {
        let message = "an `impl Trait` argument can't be cached, because its type can't be named: give the type a name, `<T: Trait>`";
        return Err(Error::new(token.span(), message));
    }
    let borrowed = match inside(&typed.ty) {
        Type::Reference(reference) if !is_static(reference) => Some(borrowed(reference)?),
        Type::Reference(_) => None,
        other => {
            check_owned(
                other,
                "a reference inside a type can't move into the load, which runs in a task of its own: take an owned type",
            )?;
            None
        }
    };
    Ok(Argument {
        name,
        shape: (*typed.ty).clone(),
        borrowed,
    })
}

/// What an argument borrows.
fn borrowed(reference: &TypeReference) -> Result<Type> {
    if let Some(mutability) = &reference.mutability {
        let message =
            "the load runs in a task of its own and can't change what the caller has: take `&`";
        return Err(Error::new(mutability.span, message));
    }
    let element = inside(&reference.elem);
    if let Type::TraitObject(object) = element {
        let message = "the load runs in a task of its own and needs an owned value, which `&dyn` can't become: take an `Arc<dyn …>`";
        return Err(Error::new(object.span(), message));
    }
    check_owned(
        element,
        "a reference to a reference can't move into the load, which runs in a task of its own: take `&` of an owned type",
    )?;
    Ok(element.clone())
}

/// The type of what is cached, and the return type if it names a `Result`.
fn returned(signature: &Signature) -> Result<(Type, Option<Type>)> {
    let ReturnType::Type(_, output) = &signature.output else {
        let message = "the function returns nothing that could be cached";
        return Err(Error::new(signature.ident.span(), message));
    };
    let (value, failing) = match ok_type(output) {
        Some(value) => (value, Some((**output).clone())),
        None => ((**output).clone(), None),
    };
    let tokens = output.to_token_stream();
    if let Some(token) = scan::find(&tokens, &|token| scan::is_word(token, "impl")) {
        let message = "an `impl Trait` can't move out of the load, because its type can't be named: return a type with a name";
        return Err(Error::new(token.span(), message));
    }
    check_owned(
        output,
        "the load and the cache outlive what this borrows: return what is owned",
    )?;
    Ok((value, failing))
}

/// `V` of `Result<V, E>`, of `io::Result<V>` and the like; `()` of a plain `fmt::Result`.
fn ok_type(output: &Type) -> Option<Type> {
    let Type::Path(path) = inside(output) else {
        return None;
    };
    let last = path.path.segments.last()?;
    if path.qself.is_some() || last.ident != "Result" {
        return None;
    }
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(value) => Some(value.clone()),
                _ => None,
            })
        }
        _ => Some(syn::parse_quote!(())),
    }
}

fn check_owned(shape: &Type, message: &str) -> Result<()> {
    match scan::borrow(&shape.to_token_stream()) {
        Some(token) => Err(Error::new(token.span(), message)),
        None => Ok(()),
    }
}

fn is_static(reference: &TypeReference) -> bool {
    let lifetime = reference.lifetime.as_ref();
    reference.mutability.is_none() && lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// A type without the parentheses and groups around it.
fn inside(shape: &Type) -> &Type {
    match shape {
        Type::Group(group) => inside(&group.elem),
        Type::Paren(paren) => inside(&paren.elem),
        other => other,
    }
}

/// Errors that are gathered, so that all are shown at once.
#[derive(Default)]
pub(crate) struct Problems(Option<Error>);

impl Problems {
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(crate) fn or<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
