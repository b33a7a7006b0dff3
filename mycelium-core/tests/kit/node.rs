//! [`node`]: a node on the test's runtime.

use mycelium_core::Node;

pub(crate) async fn node() -> Node {
    Node::builder("test").start().await.unwrap()
}
