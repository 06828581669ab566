//! The loader of a cached function: what moves into it, and how it calls the function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, Ident, PathArguments, Type};

use crate::function::{Argument, Function, Written};
use crate::names::{local, text};
use crate::options::Options;

/// Functions that do nothing but to ask for what the engine asks for: their errors point at the
/// argument or the type that hasn't got it, and their names say why it is needed.
pub(crate) fn bounds() -> TokenStream {
    quote! {
        fn __larder_moves_into_the_load<T: ::core::marker::Send + 'static>(value: T) -> T {
            value
        }
        fn __larder_runs_in_a_task<F: ::core::future::Future + ::core::marker::Send>(future: F) -> F {
            future
        }
        #[allow(dead_code)]
        fn __larder_is_an_error<T, E>(
            result: ::core::result::Result<T, E>,
        ) -> ::core::result::Result<T, E>
        where
            E: ::core::convert::Into<
                ::std::boxed::Box<
                    dyn ::core::error::Error + ::core::marker::Send + ::core::marker::Sync,
                >,
            >,
        {
            result
        }
        #[allow(dead_code)]
        fn __larder_judges<T>(
            is_skipped: impl ::core::ops::FnOnce(&T) -> bool,
            value: &T,
        ) -> bool {
            is_skipped(value)
        }
    }
}

/// What the load gets: clones of what is borrowed, the rest as it is.
pub(crate) fn owned(function: &Function) -> TokenStream {
    let receiver = function.receiver.iter().map(|receiver| {
        let this = local("this");
        quote_spanned! {receiver.span()=>
            let #this = __larder_moves_into_the_load(<Self as ::core::clone::Clone>::clone(self));
        }
    });
    let arguments = function.arguments.iter().map(|argument| {
        let (name, owned) = (&argument.name, owned_name(argument));
        let value = argument.borrowed.as_ref().map_or_else(
            || quote!(#name),
            |element| {
                quote_spanned! {argument.shape.span()=>
                    <#element as ::std::borrow::ToOwned>::to_owned(#name)
                }
            },
        );
        quote_spanned!(argument.shape.span()=> let #owned = __larder_moves_into_the_load(#value);)
    });
    quote!(#(#receiver)* #(#arguments)*)
}

/// A closure whose future calls the function as it was written.
pub(crate) fn closure(written: &Written, function: &Function, options: &Options) -> TokenStream {
    let call = call(written, function);
    let result = if let Some(output) = &function.failing {
        // Named where it is known, so that an error that isn't one is pointed at.
        let error = error_type(output).map(|error| quote!(::<_, #error>));
        quote!(__larder_is_an_error #error (#call))
    } else {
        quote!(::core::result::Result::Ok::<_, ::core::convert::Infallible>(#call))
    };
    let Some(skip_if) = &options.skip_if else {
        return quote!(move || async move { #result });
    };
    let (krate, shape) = (&options.krate, &function.value);
    let (value, error) = (local("value"), local("error"));
    let condition = quote_spanned!(skip_if.span()=> __larder_judges::<#shape>(#skip_if, &#value));
    quote! {
        move || async move {
            match #result {
                ::core::result::Result::Ok(#value) => {
                    ::core::result::Result::Ok(if #condition {
                        #krate::Loaded::<#shape>::uncached(#value)
                    } else {
                        <#krate::Loaded<#shape> as ::core::convert::From<#shape>>::from(#value)
                    })
                }
                ::core::result::Result::Err(#error) => ::core::result::Result::Err(#error),
            }
        }
    }
}

/// The call with what has moved into the load, borrowed again where the function borrows.
fn call(written: &Written, function: &Function) -> TokenStream {
    let (name, turbofish) = (written.sibling("uncached"), written.turbofish());
    let this = local("this");
    let receiver = function.receiver.iter().map(|_| quote!(&#this));
    let arguments = function.arguments.iter().map(|argument| {
        let owned = owned_name(argument);
        argument.borrowed.as_ref().map_or_else(
            || quote!(#owned),
            |element| quote!(::core::borrow::Borrow::<#element>::borrow(&#owned)),
        )
    });
    let arguments = receiver.chain(arguments);
    let scope = function.receiver.iter().map(|_| quote!(Self::));
    let span = written.signature.ident.span();
    quote_spanned!(span=> __larder_runs_in_a_task(#(#scope)* #name #turbofish(#(#arguments),*)).await)
}

/// The error type, if it is written out.
fn error_type(output: &Type) -> Option<&Type> {
    let Type::Path(path) = output else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(shape) => Some(shape),
        _ => None,
    });
    types.nth(1)
}

fn owned_name(argument: &Argument) -> Ident {
    local(&format!("owned_{}", text(&argument.name)))
}
