//! [`names_in`]: every path that a file's shipped code names, as if nothing were imported.
//!
//! `use std::{fs as files}` and `files::read` both name `std::fs`. Imports count for the whole file,
//! wherever they stand. What stands behind `#[cfg(test)]` is left out. Macros are looked into as
//! plain tokens, so an import inside of one renames nothing.

use std::{collections::BTreeMap, slice};

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, ImplItem, Item, Meta, Token, UseTree,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    visit_mut::{self, VisitMut},
};

/// How often an import may lead to another import: they may go in circles.
const RENAMES: usize = 8;

/// A path, the line it ends in, and whether all that lies under it is named too.
pub(super) struct Name {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) is_glob: bool,
}

/// Reads the file. A method is named by a path of one piece, with its dot.
///
/// # Errors
/// Where the text is not Rust.
pub(super) fn names_in(text: &str) -> syn::Result<Vec<Name>> {
    let mut file = syn::parse_file(text)?;
    if file.attrs.iter().any(is_test_attribute) {
        return Ok(Vec::new());
    }
    let mut imports = Imports::default();
    imports.visit_file_mut(&mut file);
    let mut names = imports.names;
    scan(file.into_token_stream(), &mut names);
    for name in &mut names {
        resolve(&mut name.path, &imports.renames);
    }
    Ok(names)
}

/// Takes imports and tests out of a file.
#[derive(Default)]
struct Imports {
    names: Vec<Name>,
    /// What the first piece of a path stands for.
    renames: BTreeMap<String, Vec<String>>,
}

impl VisitMut for Imports {
    fn visit_item_mut(&mut self, item: &mut Item) {
        if is_test(item) {
            *item = Item::Verbatim(TokenStream::new());
            return;
        }
        match item {
            Item::Use(import) => self.take(&import.tree, &mut Vec::new()),
            Item::ExternCrate(import) => {
                let name = import.rename.as_ref().map(|(_, name)| name);
                self.import(
                    slice::from_ref(&import.ident),
                    name.unwrap_or(&import.ident),
                );
            }
            _ => return visit_mut::visit_item_mut(self, item),
        }
        *item = Item::Verbatim(TokenStream::new());
    }

    fn visit_impl_item_mut(&mut self, item: &mut ImplItem) {
        if is_test(item) {
            *item = ImplItem::Verbatim(TokenStream::new());
        } else {
            visit_mut::visit_impl_item_mut(self, item);
        }
    }
}

impl Imports {
    fn take(&mut self, tree: &UseTree, above: &mut Vec<Ident>) {
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.clone());
                self.take(&path.tree, above);
                above.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.take(tree, above)),
            UseTree::Name(name) => self.leaf(above, &name.ident, &name.ident),
            UseTree::Rename(renamed) => self.leaf(above, &renamed.ident, &renamed.rename),
            UseTree::Glob(_) => self.names.extend(name_of(above, true)),
        }
    }

    /// `self` in a group is what stands before the group.
    fn leaf(&mut self, above: &[Ident], last: &Ident, name: &Ident) {
        let path = if last == "self" {
            above.to_vec()
        } else {
            [above, slice::from_ref(last)].concat()
        };
        let name = if name == "self" {
            path.last()
        } else {
            Some(name)
        };
        if let Some(name) = name {
            self.import(&path, name);
        }
    }

    fn import(&mut self, path: &[Ident], name: &Ident) {
        let import = name_of(path, false);
        if path != [name.clone()]
            && let Some(import) = &import
        {
            self.renames.insert(text(name), import.path.clone());
        }
        self.names.extend(import);
    }
}

fn text(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn name_of(path: &[Ident], is_glob: bool) -> Option<Name> {
    Some(Name {
        line: path.last()?.span().start().line,
        path: path.iter().map(text).collect(),
        is_glob,
    })
}

fn resolve(path: &mut Vec<String>, renames: &BTreeMap<String, Vec<String>>) {
    for _ in 0..RENAMES {
        let Some(meant) = renames.get(&path[0]) else {
            return;
        };
        path.splice(..1, meant.iter().cloned());
    }
}

/// Adds every `a::b::c` and every `.method` among the tokens.
fn scan(tokens: TokenStream, names: &mut Vec<Name>) {
    let mut path: Vec<Ident> = Vec::new();
    let mut between = String::new();
    for token in tokens {
        match token {
            TokenTree::Punct(punctuation) => {
                between.push(punctuation.as_char());
                continue;
            }
            TokenTree::Ident(ident) if between == "::" && !path.is_empty() => path.push(ident),
            TokenTree::Ident(ident) => {
                names.extend(name_of(&path, false));
                path.clear();
                // Two dots are a range.
                if between.ends_with('.') && !between.ends_with("..") {
                    names.push(method(&ident));
                } else {
                    path.push(ident);
                }
            }
            TokenTree::Group(group) => {
                names.extend(name_of(&path, false));
                path.clear();
                scan(group.stream(), names);
            }
            TokenTree::Literal(_) => {
                names.extend(name_of(&path, false));
                path.clear();
            }
        }
        between.clear();
    }
    names.extend(name_of(&path, false));
}

fn method(ident: &Ident) -> Name {
    Name {
        path: vec![format!(".{}", text(ident))],
        line: ident.span().start().line,
        is_glob: false,
    }
}

fn is_test(item: &impl ToTokens) -> bool {
    let outer = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>().map(|_rest| attributes)
    };
    let attributes = outer.parse2(item.to_token_stream());
    attributes.is_ok_and(|attributes| attributes.iter().any(is_test_attribute))
}

/// `#[cfg(test)]`, or `#[cfg(all(test, ..))]`.
fn is_test_attribute(attribute: &Attribute) -> bool {
    let condition = attribute.parse_args::<Meta>();
    attribute.path().is_ident("cfg") && condition.is_ok_and(|it| needs_test(&it))
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        _ => false,
    }
}
