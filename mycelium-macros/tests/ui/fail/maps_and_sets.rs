use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Book {
    by_id: HashMap<u64, u64>,
    by_price: BTreeMap<i64, u64>,
    halted: HashSet<u64>,
    open: Option<BTreeSet<u64>>,
}

fn main() {}
