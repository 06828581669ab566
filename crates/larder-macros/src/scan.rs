//! Looking for tokens in what the compiler has not understood yet.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;

/// The first token that is wanted, in groups too.
pub(crate) fn find(
    tokens: &TokenStream,
    is_wanted: &dyn Fn(&TokenTree) -> bool,
) -> Option<TokenTree> {
    tokens.clone().into_iter().find_map(|token| match &token {
        TokenTree::Group(group) => find(&group.stream(), is_wanted),
        _ => is_wanted(&token).then_some(token),
    })
}

/// Whether a token is this identifier or keyword.
pub(crate) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(identifier) if identifier == word)
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == sign)
}

/// The first sign in a type that it borrows something that isn't `'static`: a reference or a lifetime.
pub(crate) fn borrow(tokens: &TokenStream) -> Option<TokenTree> {
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Group(group) => {
                if let Some(found) = borrow(&group.stream()) {
                    return Some(found);
                }
            }
            // A reference with a lifetime is judged by its lifetime.
            _ if is_sign(&token, '&') => {
                let has_lifetime = tokens.peek().is_some_and(|next| is_sign(next, '\''));
                if !has_lifetime {
                    return Some(token);
                }
            }
            _ if is_sign(&token, '\'') => match tokens.next() {
                Some(name) if is_word(&name, "static") => {}
                name => return name,
            },
            _ => {}
        }
    }
    None
}

/// Whether an expression mentions a variable: its name, not as a field, a method or part of a path.
pub(crate) fn mentions(expression: &TokenStream, variable: &str) -> bool {
    let tokens: Vec<TokenTree> = expression.clone().into_iter().collect();
    let has_sign = |at: usize, sign| tokens.get(at).is_some_and(|token| is_sign(token, sign));
    let mut all = tokens.iter().enumerate();
    all.any(|(at, token)| match token {
        TokenTree::Group(group) => mentions(&group.stream(), variable),
        _ if !is_word(token, variable) => false,
        _ => {
            let is_member = at > 0 && (has_sign(at - 1, '.') || has_sign(at - 1, ':'));
            let begins_path = has_sign(at + 1, ':') && has_sign(at + 2, ':');
            !is_member && !begins_path
        }
    })
}

/// An expression as an operand: in parentheses unless it needs none, because those are warned of.
pub(crate) fn operand(expression: &syn::Expr) -> TokenStream {
    use syn::Expr;
    match expression {
        Expr::Path(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Field(_)
        | Expr::Index(_)
        | Expr::Macro(_)
        | Expr::Paren(_) => quote!(#expression),
        other => {
            let mut group = proc_macro2::Group::new(Delimiter::Parenthesis, quote!(#other));
            group.set_span(syn::spanned::Spanned::span(other));
            TokenTree::Group(group).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_borrows_is_found_but_for_what_is_static() {
        for owned in [
            quote!(Vec<String>),
            quote!(Option<&'static str>),
            quote!(T<'static>),
        ] {
            assert!(borrow(&owned).is_none(), "{owned}");
        }
        for borrowing in [
            quote!(Option<&str>),
            quote!(Cow<'a, str>),
            quote!((u8, &'a [u8])),
            quote!(T<'_>),
        ] {
            assert!(borrow(&borrowing).is_some(), "{borrowing}");
        }
    }

    #[test]
    fn a_variable_is_neither_a_field_nor_a_path() {
        let mentions = |expression: TokenStream| mentions(&expression, "db");
        assert!(mentions(quote!(db.airports)));
        assert!(mentions(quote!(space_of(&db))));
        assert!(!mentions(quote!(self.db)));
        assert!(!mentions(quote!(self.db())));
        assert!(!mentions(quote!(db::airports())));
        assert!(!mentions(quote!(crate::db)));
    }
}
