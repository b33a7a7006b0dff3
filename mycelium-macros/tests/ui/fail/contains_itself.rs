use mycelium_macros::message;

#[message(crate = mycelium_wire)]
enum Tree {
    Leaf(u64),
    Pair(Box<Tree>, Box<Self>),
    Many(Vec<Option<Tree>>),
}

fn main() {}
