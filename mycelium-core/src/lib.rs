//! Nodes, actors, mailboxes and refs of Mycelium.
