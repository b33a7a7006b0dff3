//! Refs travel in messages, and choose their transport again where they arrive.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use mycelium::prelude::*;

use super::actors::{Desk, LIVES, PATIENCE, Question, until};
use crate::bed::{Bed, unique};

/// What has been at the desk and come back.
async fn there_and_back(
    desk: &ActorRef<Question>,
    actor: &ActorRef<Question>,
) -> ActorRef<Question> {
    let actor = actor.clone();
    let ask = desk.ask(|reply| Question::Return { actor, reply });
    ask.timeout(PATIENCE).await.expect(LIVES)
}

async fn ask_on(desk: &ActorRef<Question>, to: ActorRef<Question>) -> Option<u64> {
    let number = 21;
    let ask = desk.ask(|reply| Question::AskOn { to, number, reply });
    ask.timeout(PATIENCE).await.expect(LIVES)
}

pub(super) async fn a_ref_that_comes_home_is_local(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let home = bed.near.spawn(Desk::default());
    let back = there_and_back(&desk, &home).await;
    assert!(matches!(back, ActorRef::Local(_)), "{back:?}");
    assert_eq!(back, home);
    let answer = back.ask(|reply| Question::Double { number: 2, reply });
    assert_eq!(answer.timeout(PATIENCE).await.expect(LIVES), 4);
}

pub(super) async fn a_ref_in_a_message_can_be_asked(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let home = bed.near.spawn(Desk::default());
    assert_eq!(ask_on(&desk, home).await, Some(42));
    // One to an actor that lives where the message goes.
    let neighbour = bed.place(Desk::default()).await;
    assert_eq!(ask_on(&desk, neighbour).await, Some(42));
}

pub(super) async fn a_ref_that_is_passed_on_is_used_by_a_third_node(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let third = bed.third().await;
    let name = unique("third");
    let on_third = third.spawn(Desk::default());
    third.register(&name, &on_third).expect("the name is free");
    // The near node's ref to the third came from the far one.
    let seek = desk.ask(|reply| Question::Seek { name, reply });
    let found = seek.timeout(PATIENCE).await.expect(LIVES);
    let found = found.expect("it is registered");
    bed.assert_reach(&found);
    assert_eq!(found, on_third);
    let answer = found.ask(|reply| Question::Double { number: 2, reply });
    assert_eq!(answer.timeout(PATIENCE).await.expect(LIVES), 4);
    // The third node asks the near one by a ref that travelled.
    let home = bed.near.spawn(Desk::default());
    assert_eq!(ask_on(&found, home).await, Some(42));
}

pub(super) async fn a_ref_to_an_actor_that_is_gone_arrives_and_fails_when_it_is_used(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let gone = bed.near.spawn(Desk::default());
    let living = bed.near.actors_len();
    gone.kill();
    until(|| bed.near.actors_len() < living).await;
    assert_eq!(ask_on(&desk, gone.clone()).await, None);
    let back = there_and_back(&desk, &gone).await;
    assert_eq!(back, gone);
    let refused = back.send(Question::AnswerKept).await;
    assert!(
        matches!(refused, Err(SendError::ActorDown { .. })),
        "{refused:?}"
    );
    // A ref to an actor that died on the other node, sent there.
    let mortal = bed.place(Desk::default()).await;
    let living = bed.far.actors_len();
    mortal.kill();
    until(|| bed.far.actors_len() < living).await;
    assert_eq!(ask_on(&desk, mortal).await, None);
}

#[expect(
    clippy::mutable_key_type,
    reason = "a ref's identity never changes; the queues behind it do"
)]
pub(super) async fn refs_to_one_actor_are_equal_and_hash_alike(bed: &Bed) {
    let hash = |actor: &ActorRef<Question>| {
        let mut hasher = DefaultHasher::new();
        actor.hash(&mut hasher);
        hasher.finish()
    };
    let name = unique("desk");
    let original = bed.far.spawn(Desk::default());
    bed.far.register(&name, &original).expect("it is free");
    let found = bed.find::<Question>(&bed.near, &name).await;
    let again = bed.find::<Question>(&bed.near, &name).await;
    let travelled = there_and_back(&found, &found).await;
    let copies = [&found, &again, &travelled, &found.clone()];
    for copy in copies {
        assert_eq!(*copy, original);
        assert_eq!(hash(copy), hash(&original));
        assert_eq!(copy.id(), original.id());
    }
    let other = bed.place(Desk::default()).await;
    let home = bed.near.spawn(Desk::default());
    assert_ne!(other, original);
    assert_ne!(home, original);
    let distinct: HashSet<_> = copies.into_iter().chain([&other, &home]).collect();
    assert_eq!(distinct.len(), 3);
}
