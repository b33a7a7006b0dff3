//! A reply port may be passed on; whoever has it answers the first asker.

use mycelium::prelude::*;

use super::actors::{Desk, LIVES, PATIENCE, Question};
use crate::bed::{Bed, unique};

/// Asks `first` for twice 21, by way of the others, the last of them first.
async fn pass_on(first: &ActorRef<Question>, to: Vec<ActorRef<Question>>) -> u64 {
    let number = 21;
    let ask = first.ask(|reply| Question::PassOn { to, number, reply });
    ask.timeout(PATIENCE).await.expect(LIVES)
}

pub(super) async fn a_port_that_is_passed_on_answers_the_first_asker(bed: &Bed) {
    let first = bed.place(Desk::default()).await;
    let second = bed.place(Desk::default()).await;
    assert_eq!(pass_on(&first, vec![second]).await, 42);
}

pub(super) async fn a_port_that_comes_back_to_the_askers_node_answers_it(bed: &Bed) {
    let first = bed.place(Desk::default()).await;
    let home = bed.near.spawn(Desk::default());
    assert_eq!(pass_on(&first, vec![home.clone()]).await, 42);
    let to = vec![home.clone(), first.clone(), home];
    assert_eq!(pass_on(&first, to).await, 42);
}

/// The far node's ref to a desk on a node that the near one does not know.
async fn beyond(bed: &Bed) -> (ActorRef<Question>, ActorRef<Question>) {
    let first = bed.place(Desk::default()).await;
    let beyond = bed.beyond().await;
    let name = unique("last");
    let last = beyond.spawn(Desk::default());
    beyond.register(&name, &last).expect("the name is free");
    let last = first.ask(|reply| Question::Seek { name, reply });
    let last = last.timeout(PATIENCE).await.expect(LIVES);
    (first, last.expect("the far node knows it"))
}

pub(super) async fn a_port_answers_along_a_chain_of_nodes(bed: &Bed) {
    let (first, last) = beyond(bed).await;
    for _ in 0..100 {
        assert_eq!(pass_on(&first, vec![last.clone()]).await, 42);
    }
}

pub(super) async fn a_port_that_is_dropped_at_the_end_of_a_chain_fails_the_ask(bed: &Bed) {
    let (first, last) = beyond(bed).await;
    let to = vec![last];
    let ask = first.ask(|reply| Question::PassOnToDrop { to, reply });
    let outcome = ask.timeout(PATIENCE).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
}
