use std::{rc::Rc, sync::Arc};

use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Book {
    symbol: Arc<str>,
    venue: Rc<str>,
}

fn main() {}
