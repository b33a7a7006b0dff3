//! The attribute: reads the arguments, has the syntax checked and emits the derives.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    DeriveInput, Error, Path, Result, Token, Type, TypePath,
    parse::{Parse, ParseStream},
    parse_quote,
    visit_mut::{self, VisitMut},
};

use crate::refuse;

/// What stands in the parentheses of `#[message(..)]`.
#[derive(Default)]
pub(crate) struct Arguments {
    wire: Option<Path>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            arguments.take(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn take(&mut self, input: ParseStream<'_>) -> Result<()> {
        if !input.peek(Token![crate]) {
            return Err(
                input.error("`#[message]` knows one argument: `crate = path::of::mycelium_wire`")
            );
        }
        let keyword = input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        match self.wire.replace(input.call(Path::parse_mod_style)?) {
            None => Ok(()),
            Some(_) => Err(Error::new(keyword.span, "`crate` is given twice")),
        }
    }

    /// The crate `mycelium_wire`, as the user's crate reaches it.
    fn wire(&self) -> Path {
        let facade = || parse_quote!(::mycelium::wire);
        self.wire.clone().unwrap_or_else(facade)
    }

    /// The hidden derive, as the user's crate reaches it.
    ///
    /// It cannot come by way of the wire crate, which depends on no other crate of ours. But who
    /// names the wire crate has no facade, so the attribute in his hand came from this crate.
    fn derive(&self) -> Path {
        if self.wire.is_some() {
            parse_quote!(::mycelium_macros::__Wire)
        } else {
            parse_quote!(::mycelium::__private::__Wire)
        }
    }
}

/// Emits the item with its derives, or as it was beside the errors.
pub(crate) fn expand(arguments: &Arguments, item: TokenStream) -> Result<TokenStream> {
    let mut input: DeriveInput = syn::parse2(item.clone())?;
    if let Err(refused) = refuse::check(&input) {
        let errors = refused.into_compile_error();
        return Ok(quote!(#item #errors));
    }
    SelfByName::of(&input).visit_data_mut(&mut input.data);

    let wire = arguments.wire();
    let derive = arguments.derive();
    // Ours comes first so that its errors, which say what to do, come before rkyv's.
    Ok(quote! {
        #[derive(#derive, #wire::rkyv::Archive, #wire::rkyv::Serialize, #wire::rkyv::Deserialize)]
        #[rkyv(crate = #wire::rkyv)]
        #[__wire(#wire)]
        #input
    })
}

/// Writes the type's name for `Self`, which rkyv would copy into `ArchivedX`, where it is another
/// type.
struct SelfByName(TypePath);

impl SelfByName {
    fn of(input: &DeriveInput) -> Self {
        let name = &input.ident;
        let (_, generics, _) = input.generics.split_for_impl();
        Self(parse_quote!(#name #generics))
    }
}

impl VisitMut for SelfByName {
    fn visit_type_mut(&mut self, node: &mut Type) {
        match node {
            Type::Path(path) if path.qself.is_none() && path.path.is_ident("Self") => {
                *path = self.0.clone();
            }
            _ => visit_mut::visit_type_mut(self, node),
        }
    }
}
