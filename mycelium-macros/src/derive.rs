//! The hidden derive: implements `Wire` by folding the fields that `#[cfg]` left.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    Data, DeriveInput, Error, Fields, GenericParam, Generics, Path, Result, Variant, ext::IdentExt,
    parse_quote, spanned::Spanned,
};

/// Emits `impl Wire` and, where no parameters are left open, its evaluation.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let wire = wire_path(input)?;
    let ident = &input.ident;
    let name = ident.unraw().to_string();
    let (kind, parts) = parts(&input.data, &wire)?;
    let parameters = parameters(&input.generics, &quote!(FINGERPRINT));
    let parameter_names = self::parameters(&input.generics, &quote!(NAME_FINGERPRINT));
    let evaluation = evaluation(input, &wire);

    // The bounds speak of parameters only. Bounds on field types would send the compiler round in
    // circles where two messages carry refs to each other.
    let generics = with_wire_bounds(&input.generics, &wire);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #wire::Wire for #ident #type_generics #where_clause {
            const NAME: &'static str = #name;
            const NAME_FINGERPRINT: u64 =
                #wire::Fingerprint::of("name", #name) #parameter_names .finish();
            const FINGERPRINT: u64 =
                #wire::Fingerprint::of(#kind, #name) #parameters #parts .finish();
        }
        #evaluation
    })
}

/// The crate `mycelium_wire`, as the attribute passed it on.
fn wire_path(input: &DeriveInput) -> Result<Path> {
    let passed_on = |attribute: &&syn::Attribute| attribute.path().is_ident("__wire");
    match input.attrs.iter().find(passed_on) {
        Some(attribute) => attribute.parse_args_with(Path::parse_mod_style),
        None => Err(Error::new(input.ident.span(), "write `#[message]` instead")),
    }
}

fn with_wire_bounds(generics: &Generics, wire: &Path) -> Generics {
    let mut bounded = generics.clone();
    for parameter in bounded.type_params_mut() {
        parameter.bounds.push(parse_quote!(#wire::Wire));
    }
    bounded
}

/// The calls that fold the parameters, each type parameter by its constant of this name.
fn parameters(generics: &Generics, constant: &TokenStream) -> TokenStream {
    let call = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => {
            let ident = &parameter.ident;
            quote!(.parameter(#ident::#constant))
        }
        GenericParam::Const(parameter) => {
            let ident = &parameter.ident;
            quote!(.constant(#ident as u64))
        }
        GenericParam::Lifetime(_) => TokenStream::new(),
    };
    generics.params.iter().map(call).collect()
}

/// The kind of the type and the calls that fold what it is made of.
fn parts(data: &Data, wire: &Path) -> Result<(&'static str, TokenStream)> {
    match data {
        Data::Struct(data) => Ok(("struct", fields(&data.fields, wire))),
        Data::Enum(data) => {
            let variants = data.variants.iter();
            Ok(("enum", variants.map(|it| variant(it, wire)).collect()))
        }
        Data::Union(data) => Err(Error::new(data.union_token.span, "a union cannot travel")),
    }
}

fn variant(variant: &Variant, wire: &Path) -> TokenStream {
    let name = variant.ident.unraw().to_string();
    // The archive stores the discriminant, so a number given by hand is part of the schema.
    let discriminant = variant.discriminant.as_ref();
    let discriminant = discriminant.map(|(_, value)| quote!(.constant((#value) as u64)));
    let fields = fields(&variant.fields, wire);
    quote!(.variant(#name) #discriminant #fields)
}

fn fields(fields: &Fields, wire: &Path) -> TokenStream {
    let call = |(index, field): (usize, &syn::Field)| {
        let named = field.ident.as_ref().map(|name| name.unraw().to_string());
        let name = named.unwrap_or_else(|| index.to_string());
        let ty = &field.ty;
        // Spanned at the type, for that is where "cannot travel" has to point.
        let fingerprint = quote_spanned!(ty.span()=> <#ty as #wire::Wire>::FINGERPRINT);
        quote!(.field(#name, #fingerprint))
    };
    fields.iter().enumerate().map(call).collect()
}

/// Constants of a trait are evaluated when somebody asks for them: this asks, so that what the
/// fingerprint checks on the way is checked for every message.
fn evaluation(input: &DeriveInput, wire: &Path) -> Option<TokenStream> {
    let ident = &input.ident;
    let closed = input.generics.params.is_empty();
    closed.then(|| quote!(const _: u64 = <#ident as #wire::Wire>::FINGERPRINT;))
}
