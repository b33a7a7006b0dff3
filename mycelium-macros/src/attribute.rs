//! The attribute: has the syntax checked and emits the derives.

use std::mem;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, DeriveInput, Error, Ident, Path, PathSegment, Result, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    parse_quote,
    visit_mut::{self, VisitMut},
};

use crate::refuse;

/// Emits the item with its derives, or without them beside the errors.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut input: DeriveInput = match syn::parse2(item.clone()) {
        Ok(input) => input,
        Err(error) => return beside(error, item),
    };
    let checked = syn::parse2(arguments).and_then(|it| refuse::check(&input).map(|()| it));
    match checked {
        Ok(arguments) => with_derives(&arguments, input),
        Err(error) => {
            WithoutArchive.visit_derive_input_mut(&mut input);
            beside(error, input)
        }
    }
}

fn beside(error: Error, item: impl ToTokens) -> TokenStream {
    let error = error.into_compile_error();
    quote!(#item #error)
}

fn with_derives(arguments: &Arguments, mut input: DeriveInput) -> TokenStream {
    SelfByName::of(&input).visit_data_mut(&mut input.data);
    let wire = arguments.wire();
    let derive = arguments.derive();
    let accepts = &arguments.accepts;
    // Ours comes first so that its errors, which say what to do, come before rkyv's.
    quote! {
        #[derive(#derive, #wire::rkyv::Archive, #wire::rkyv::Serialize, #wire::rkyv::Deserialize)]
        #[rkyv(crate = #wire::rkyv)]
        #[__wire(#wire #(, #accepts)*)]
        #input
    }
}

/// The most older types that a message accepts; `mycelium_wire` has the same limit.
const ACCEPTED_LIMIT: usize = 64;

const UNKNOWN: &str = "unknown argument: `#[message]` knows `crate = path::to::mycelium_wire` and \
                       `accepts = OlderType` or `accepts = (Older, Oldest)`";

const TOO_MANY: &str = "a message accepts at most 64 older types";

/// What stands in the parentheses of `#[message(..)]`.
#[derive(Default)]
struct Arguments {
    wire: Option<Path>,
    /// The older types whose messages this one takes.
    accepts: Vec<Type>,
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
        let keyword = input.call(Ident::parse_any)?;
        if keyword != "crate" && keyword != "accepts" {
            return Err(Error::new(keyword.span(), UNKNOWN));
        }
        input.parse::<Token![=]>()?;
        let is_twice = if keyword == "crate" {
            let wire = input.call(Path::parse_mod_style)?;
            self.wire.replace(wire).is_some()
        } else {
            let accepts = one_or_several(input.parse()?);
            !mem::replace(&mut self.accepts, accepts).is_empty()
        };
        if is_twice {
            let twice = format!("`{keyword}` is given twice");
            return Err(Error::new(keyword.span(), twice));
        }
        self.check()
    }

    fn check(&self) -> Result<()> {
        match self.accepts.get(ACCEPTED_LIMIT) {
            Some(beyond) => Err(Error::new_spanned(beyond, TOO_MANY)),
            None => Ok(()),
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

/// The types of a list in parentheses, or the one that stands there.
fn one_or_several(accepted: Type) -> Vec<Type> {
    match accepted {
        Type::Tuple(several) => several.elems.into_iter().collect(),
        Type::Paren(one) => vec![*one.elem],
        one => vec![one],
    }
}

/// Takes away attributes that belong to the derives which a refused item does not get.
struct WithoutArchive;

impl VisitMut for WithoutArchive {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|it| !it.path().is_ident("rkyv"));
    }
}

/// Writes the type's name for `Self`, in array lengths too: rkyv would copy it into `ArchivedX`,
/// where it is another type, and into places where there is none.
struct SelfByName(PathSegment);

impl SelfByName {
    fn of(input: &DeriveInput) -> Self {
        let name = &input.ident;
        let (_, generics, _) = input.generics.split_for_impl();
        let generics = generics.as_turbofish();
        Self(parse_quote!(#name #generics))
    }
}

impl VisitMut for SelfByName {
    fn visit_path_segment_mut(&mut self, node: &mut PathSegment) {
        if node.ident == "Self" {
            *node = self.0.clone();
        } else {
            visit_mut::visit_path_segment_mut(self, node);
        }
    }
}
