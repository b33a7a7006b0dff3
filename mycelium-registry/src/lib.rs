//! Names for Mycelium actors, here and across nodes.
