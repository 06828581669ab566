//! What the attribute turns a function into: the cached function and its two siblings.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, FnArg, Ident, LitStr, Signature};

use crate::agreement;
use crate::function::{Argument, Function, Problems, Written};
use crate::names::{local, text};
use crate::options::{Lasting, Options};
use crate::template::Template;
use crate::{hash, loader, scan};

/// What `#[cached(options)] item` becomes. With a mistake in it the function stays as it was, so that
/// nobody who calls it has errors of their own.
pub(crate) fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let options = problems.note(syn::parse2::<Options>(options));
    let written = problems.note(syn::parse2::<Written>(item.clone()));
    let function = written
        .as_ref()
        .and_then(|written| problems.note(written.look_over()));
    let expanded = match (&options, &written, &function) {
        (Some(options), Some(written), Some(function)) => problems
            .note(agreement::check(written, function, options))
            .map(|()| {
                let expansion = Expansion {
                    options,
                    written,
                    function,
                };
                expansion.all()
            }),
        _ => None,
    };
    match (problems.or(()), expanded) {
        (Ok(()), Some(expanded)) => expanded,
        (Err(error), _) => {
            let error = error.to_compile_error();
            quote!(#error #item)
        }
        (Ok(()), None) => item,
    }
}

struct Expansion<'a> {
    options: &'a Options,
    written: &'a Written,
    function: &'a Function,
}

impl Expansion<'_> {
    fn all(&self) -> TokenStream {
        let functions = [self.cached(), self.uncached(), self.invalidate()];
        quote!(#(#functions)*)
    }

    /// The function under its own name, which asks the cache.
    fn cached(&self) -> TokenStream {
        let krate = &self.options.krate;
        let (visibility, value) = (&self.written.visibility, &self.function.value);
        let mut signature = self.signature(&self.written.signature.ident, |_| true);
        let output = quote_spanned!(value.span()=> #krate::Result<::std::sync::Arc<#value>>);
        signature.output = syn::parse_quote!(-> #output);

        let attributes = self.attributes(&["doc", "must_use", "deprecated"]);
        let has_must_use = self.has("must_use");
        let must_use = (!has_must_use)
            .then(|| quote!(#[must_use = "a value that nobody looks at needn't be loaded"]));
        let (documentation, lints) = (self.documentation(), lints());
        let (bounds, hash) = (loader::bounds(), self.hash_function(true));
        let (space, key, call) = (local("space"), local("key"), local("call"));
        let (space_bound, key_bound) = (self.space(), self.key());
        let (settings, settings_applied) = self.settings();
        let owned = loader::owned(self.function);
        let loader = loader::closure(self.written, self.function, self.options);
        quote! {
            #(#attributes)*
            #documentation
            #must_use
            #lints
            #visibility #signature {
                #bounds
                #hash
                #space_bound
                #key_bound
                #settings
                #owned
                let #call = #krate::Space::get_or_load(#space, #key, #loader);
                #(let #call = #settings_applied;)*
                #call.await
            }
        }
    }

    /// The function as it was written, under another name.
    fn uncached(&self) -> TokenStream {
        let Written {
            visibility, body, ..
        } = self.written;
        let mut signature = self.written.signature.clone();
        signature.ident = self.written.sibling("uncached");
        let attributes = self.written.attributes.iter().filter(|attribute| {
            !["doc", "must_use", "deprecated"]
                .iter()
                .any(|name| attribute.path().is_ident(name))
        });
        let name = text(&self.written.signature.ident);
        let documentation = format!(
            "What `{name}` calls where the cache has nothing, by itself: neither asks the cache nor stores \
             anything.\n\n# Errors\n\nIts own."
        );
        quote! {
            #(#attributes)*
            #[doc = #documentation]
            #[must_use = "the value is not stored anywhere"]
            #visibility #signature #body
        }
    }

    /// What forgets an entry.
    fn invalidate(&self) -> TokenStream {
        let krate = &self.options.krate;
        let visibility = &self.written.visibility;
        let cache = self.options.cache.to_token_stream();
        let mut signature = self.signature(&self.written.sibling("invalidate"), |argument| {
            let name = text(&argument.name);
            let key = self.options.key.as_ref();
            key.is_some_and(|key| key.names().any(|used| used == name))
                || scan::mentions(&cache, &argument.name.to_string())
        });
        signature.output = syn::parse_quote!(-> #krate::Result<#krate::Deletion>);
        let attributes = self.attributes(&["deprecated"]);
        let name = text(&self.written.signature.ident);
        let documentation = format!(
            "Forgets what `{name}` has cached for these arguments; a load that began before is not stored. \
             Answers whether there was something.\n\n# Errors\n\nA name that can't be a key, a closed cache, \
             or the store's trouble."
        );
        let (lints, hash) = (lints(), self.hash_function(false));
        let (space, key) = (local("space"), local("key"));
        let (space_bound, key_bound) = (self.space(), self.key());
        quote! {
            #(#attributes)*
            #[doc = #documentation]
            #[must_use = "an invalidation that failed leaves the entry where it is"]
            #lints
            #[allow(dead_code)]
            #visibility #signature {
                #hash
                #space_bound
                #key_bound
                #krate::Space::invalidate(#space, #key).await
            }
        }
    }

    /// The function's signature with another name, some of its arguments, and these by name alone.
    fn signature(&self, name: &Ident, is_kept: impl Fn(&Argument) -> bool) -> Signature {
        let mut signature = self.written.signature.clone();
        signature.ident = name.clone();
        let receiver = self.function.receiver.iter();
        let arguments = self.function.arguments.iter();
        signature.inputs = receiver
            .map(|receiver| FnArg::Receiver(receiver.clone()))
            .chain(
                arguments
                    .filter(|argument| is_kept(argument))
                    .map(Argument::plain),
            )
            .collect();
        signature
    }

    /// The attributes of the function that concern all its forms, and those named.
    fn attributes(&self, named: &[&str]) -> Vec<&Attribute> {
        let of_all = ["cfg", "allow", "warn", "deny", "forbid"];
        let attributes = self.written.attributes.iter();
        attributes
            .filter(|attribute| {
                let mut wanted = of_all.iter().chain(named);
                wanted.any(|name| attribute.path().is_ident(name))
            })
            .collect()
    }

    fn has(&self, attribute: &str) -> bool {
        let mut attributes = self.written.attributes.iter();
        attributes.any(|candidate| candidate.path().is_ident(attribute))
    }

    /// What is said below the function's own documentation.
    fn documentation(&self) -> TokenStream {
        let name = text(&self.written.signature.ident);
        let written = format!(
            "\n\n# Caching\n\nThe value comes from the cache, and is loaded once for all who ask for it meanwhile. \
             `{name}_uncached` goes past the cache, `{name}_invalidate` forgets the entry.\n\n\
             # Cancel safety\n\nDropped, a load that has begun goes on, and its value is stored."
        );
        let errors = "\n\n# Errors\n\nThe kind `Load` with the function's own error as source, and what else \
                      `larder::Space::get_or_load` answers.";
        quote!(#[doc = #written] #[doc = #errors])
    }

    /// The function that hashes arguments, if a template needs it.
    fn hash_function(&self, with_tags: bool) -> TokenStream {
        let tags = self.options.tags.iter().filter(|_| with_tags);
        let mut templates = self.options.key.iter().chain(tags);
        if templates.any(Template::hashes) {
            hash::function()
        } else {
            TokenStream::new()
        }
    }

    fn space(&self) -> TokenStream {
        let (krate, value) = (&self.options.krate, &self.function.value);
        let cache = &self.options.cache;
        let space = local("space");
        let borrowed = if matches!(cache, Expr::Reference(_)) {
            quote!(#cache)
        } else {
            let operand = scan::operand(cache);
            quote_spanned!(cache.span()=> &#operand)
        };
        quote_spanned!(cache.span()=> let #space: &#krate::Space<#value> = #borrowed;)
    }

    fn key(&self) -> TokenStream {
        let key = local("key");
        let text = if let Some(template) = &self.options.key {
            self.text(template)
        } else {
            let name = format!("::{}", text(&self.written.signature.ident));
            let name = LitStr::new(&name, Span::call_site());
            quote!(::core::concat!(::core::module_path!(), #name))
        };
        quote!(let #key: &::core::primitive::str = #text;)
    }

    fn text(&self, template: &Template) -> TokenStream {
        let arguments = self.function.arguments.iter();
        let names: Vec<&Ident> = arguments
            .map(|argument| &argument.name)
            .chain(self.written.stated_parameters())
            .collect();
        template.text(|wanted| names.iter().find(|name| text(name) == wanted).copied())
    }

    /// The lifetimes and tags: what computes them, and what hands them to the call.
    fn settings(&self) -> (TokenStream, Vec<TokenStream>) {
        let (mut computed, mut applied) = (TokenStream::new(), Vec::new());
        let call = local("call");
        let lasting = [
            ("ttl", &self.options.ttl),
            ("stale_for", &self.options.stale_for),
        ];
        for (name, lasting) in lasting {
            let Some(lasting) = lasting else { continue };
            let (setting, method) = (local(name), Ident::new(name, Span::call_site()));
            computed.extend(match lasting {
                Lasting::For(duration) => {
                    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
                    quote!(let #setting = ::core::time::Duration::new(#seconds, #nanos);)
                }
                Lasting::Computed(expression) => quote_spanned! {expression.span()=>
                    let #setting: ::core::time::Duration = #expression;
                },
            });
            applied.push(quote!(#call.#method(#setting)));
        }
        if !self.options.tags.is_empty() {
            let tags = local("tags");
            let texts = self.options.tags.iter().map(|tag| self.text(tag));
            computed.extend(quote! {
                let #tags = [#(::std::string::String::from(#texts)),*];
            });
            applied.push(quote!(#call.tags(#tags)));
        }
        (computed, applied)
    }
}

/// What isn't said again of what is generated: the function as it was written has heard it, or it isn't the user's doing.
fn lints() -> TokenStream {
    quote! {
        #[allow(
            unused_lifetimes,
            clippy::extra_unused_lifetimes,
            clippy::extra_unused_type_parameters,
            clippy::needless_lifetimes,
            clippy::needless_pass_by_value,
            clippy::too_many_arguments,
            clippy::used_underscore_binding
        )]
    }
}
