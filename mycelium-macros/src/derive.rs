//! The hidden derive: implements `Wire` by folding the fields that `#[cfg]` left.
//!
//! Its code speaks of three things, in this order: are all fields wire types, what is the
//! fingerprint, and is it evaluated. The order is that of the errors a user reads.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, GenericParam, Generics, Path, Result,
    Token, Type, Variant, ext::IdentExt, parse::ParseStream, parse_quote, spanned::Spanned,
};

use crate::refuse;

/// Emits `impl Wire` between its checks.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    refuse::check_expanded(input)?;
    let (wire, accepts) = &passed_on(input)?;
    let check = field_check(input, wire);
    let implementation = implementation(input, wire, accepts)?;
    let evaluation = evaluation(input, wire);
    Ok(quote!(#check #implementation #evaluation))
}

/// The crate `mycelium_wire`, and the accepted types, as the attribute passed them on.
fn passed_on(input: &DeriveInput) -> Result<(Path, Vec<Type>)> {
    let is_ours = |attribute: &&Attribute| attribute.path().is_ident("__wire");
    match input.attrs.iter().find(is_ours) {
        Some(attribute) => attribute.parse_args_with(wire_and_accepted),
        None => Err(Error::new(input.ident.span(), "write `#[message]` instead")),
    }
}

fn wire_and_accepted(arguments: ParseStream<'_>) -> Result<(Path, Vec<Type>)> {
    let wire = arguments.call(Path::parse_mod_style)?;
    let mut accepts = Vec::new();
    while !arguments.is_empty() {
        arguments.parse::<Token![,]>()?;
        accepts.push(arguments.parse()?);
    }
    Ok((wire, accepts))
}

/// Asks for `Wire` of every field in a place that the compiler looks at before it looks at rkyv's
/// impls, whose errors about the same field say nothing a user could act on.
fn field_check(input: &DeriveInput, wire: &Path) -> TokenStream {
    let generics = with_wire_bounds(&input.generics, wire);
    let (parameters, _, bounds) = generics.split_for_impl();
    let bounds = bounds.into_iter().flat_map(|it| &it.predicates);
    let fields = all_fields(&input.data).map(|field| {
        let ty = &field.ty;
        let wire = spanned_at(ty.span(), wire);
        quote_spanned!(ty.span()=> #ty: #wire::Wire)
    });
    quote! {
        const _: () = {
            #[allow(dead_code, clippy::all, clippy::nursery)]
            fn fields #parameters () where #(#bounds,)* #(#fields,)* {}
        };
    }
}

/// The same tokens at another place, which is where an error about them will point.
fn spanned_at(place: Span, tokens: &Path) -> TokenStream {
    let mut tokens: Vec<TokenTree> = tokens.to_token_stream().into_iter().collect();
    for token in &mut tokens {
        token.set_span(place);
    }
    tokens.into_iter().collect()
}

/// The bounds of the impl speak of parameters only. Bounds on field types would send the compiler
/// round in circles where two messages carry refs to each other.
fn implementation(input: &DeriveInput, wire: &Path, accepts: &[Type]) -> Result<TokenStream> {
    let ident = &input.ident;
    let name = ident.unraw().to_string();
    let (kind, schema) = schema(&input.data, wire)?;
    let parameters = fold_parameters(&input.generics, &quote!(FINGERPRINT));
    let parameter_names = fold_parameters(&input.generics, &quote!(NAME_FINGERPRINT));
    let accepts = accepted(accepts, wire);
    let generics = with_wire_bounds(&input.generics, wire);
    let (impl_generics, type_generics, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #wire::Wire for #ident #type_generics #bounds {
            const NAME: &'static str = #name;
            const NAME_FINGERPRINT: u64 =
                #wire::Fingerprint::of("name", #name) #parameter_names .finish();
            const FINGERPRINT: u64 =
                #wire::Fingerprint::of(#kind, #name) #parameters #schema .finish();
            #accepts
        }
    })
}

/// The list of accepted types, each at its place in the attribute, so that errors show it.
fn accepted(accepts: &[Type], wire: &Path) -> Option<TokenStream> {
    let entries = accepts.iter().map(|older| {
        let of = quote_spanned!(older.span()=> of::<#older>());
        quote!(#wire::Accepted::#of)
    });
    (!accepts.is_empty()).then(|| {
        quote! {
            const ACCEPTS: &'static [#wire::Accepted<Self>] = &[#(#entries),*];
        }
    })
}

/// Constants of a trait are evaluated when somebody asks for them: this asks, so that what a
/// fingerprint checks on the way is checked for every message without parameters.
fn evaluation(input: &DeriveInput, wire: &Path) -> Option<TokenStream> {
    let ident = &input.ident;
    let closed = input.generics.params.is_empty();
    closed.then(|| quote!(const _: u64 = <#ident as #wire::Wire>::FINGERPRINT;))
}

fn with_wire_bounds(generics: &Generics, wire: &Path) -> Generics {
    let mut bounded = generics.clone();
    for parameter in bounded.type_params_mut() {
        parameter.bounds.push(parse_quote!(#wire::Wire));
    }
    bounded
}

fn all_fields(data: &Data) -> Box<dyn Iterator<Item = &Field> + '_> {
    match data {
        Data::Struct(data) => Box::new(data.fields.iter()),
        Data::Enum(data) => Box::new(data.variants.iter().flat_map(|it| &it.fields)),
        Data::Union(data) => Box::new(data.fields.named.iter()),
    }
}

/// The calls that fold the parameters, each type parameter by its constant of this name.
fn fold_parameters(generics: &Generics, constant: &TokenStream) -> TokenStream {
    let call = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => {
            let ident = &parameter.ident;
            quote!(.parameter(#ident::#constant))
        }
        GenericParam::Const(parameter) => {
            let ident = &parameter.ident;
            quote!(.constant(#ident as u128))
        }
        GenericParam::Lifetime(_) => TokenStream::new(),
    };
    generics.params.iter().map(call).collect()
}

/// The kind of the type and the calls that fold what it is made of.
fn schema(data: &Data, wire: &Path) -> Result<(&'static str, TokenStream)> {
    match data {
        Data::Struct(data) => Ok(("struct", fold_fields(&data.fields, wire))),
        Data::Enum(data) => {
            let variants = data.variants.iter();
            Ok(("enum", variants.map(|it| fold_variant(it, wire)).collect()))
        }
        Data::Union(data) => Err(Error::new(data.union_token.span, "a union cannot travel")),
    }
}

fn fold_variant(variant: &Variant, wire: &Path) -> TokenStream {
    let name = variant.ident.unraw().to_string();
    // The archive stores the discriminant, so a number given by hand is part of the schema.
    let discriminant = variant.discriminant.as_ref();
    let discriminant = discriminant.map(|(_, value)| quote!(.constant((#value) as i128 as u128)));
    let fields = fold_fields(&variant.fields, wire);
    quote!(.variant(#name) #discriminant #fields)
}

fn fold_fields(fields: &Fields, wire: &Path) -> TokenStream {
    fields
        .members()
        .zip(fields)
        .map(|(member, field)| {
            let name = member.to_token_stream().to_string();
            let name = name.trim_start_matches("r#");
            let ty = &field.ty;
            quote!(.field(#name, <#ty as #wire::Wire>::FINGERPRINT))
        })
        .collect()
}
