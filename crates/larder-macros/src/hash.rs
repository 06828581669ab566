//! The hash of `{argument:hash}`: the same in every process and on every platform.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

/// The function's name in what is generated.
pub(crate) fn name() -> Ident {
    Ident::new("__larder_hash", Span::call_site())
}

/// The function: FNV-1a with 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>). It is generated
/// where it is needed, so that a crate of attributes needs no crate for run time. Integers are hashed
/// by their little-endian bytes, those of the machine's width as 64 bits, because std's defaults
/// differ between platforms.
pub(crate) fn function() -> TokenStream {
    let name = name();
    let widths = [
        ("write_u16", "u16"),
        ("write_u32", "u32"),
        ("write_u64", "u64"),
        ("write_u128", "u128"),
    ];
    let widths = widths.map(|(method, integer)| {
        let method = Ident::new(method, Span::call_site());
        let integer = Ident::new(integer, Span::call_site());
        quote! {
            fn #method(&mut self, integer: #integer) {
                self.write(&integer.to_le_bytes());
            }
        }
    });
    quote! {
        fn #name<T: ::core::hash::Hash + ?::core::marker::Sized>(value: &T) -> u64 {
            struct Fnv(u64);

            impl ::core::hash::Hasher for Fnv {
                fn write(&mut self, bytes: &[u8]) {
                    for byte in bytes {
                        self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
                    }
                }

                #(#widths)*

                fn write_usize(&mut self, integer: usize) {
                    self.write_u64(integer as u64);
                }

                fn write_isize(&mut self, integer: isize) {
                    self.write_i64(integer as i64);
                }

                fn finish(&self) -> u64 {
                    self.0
                }
            }

            let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
            ::core::hash::Hash::hash(value, &mut hasher);
            ::core::hash::Hasher::finish(&hasher)
        }
    }
}
