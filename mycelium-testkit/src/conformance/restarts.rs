//! Another life of a node is another node.

use std::time::Duration;

use mycelium::prelude::*;

use super::actors::{LIVES, Tick, probe, refusal};
use crate::bed::Bed;

pub(super) async fn refs_to_an_earlier_life_of_a_node_are_stale(bed: &Bed) {
    let (actor, mut handled) = probe();
    let before = bed.place(actor).await;
    before.send(Tick::number(0)).await.expect(LIVES);
    assert_eq!(handled.recv().await, Some(Tick::number(0)));
    // Nothing was sent by this one: it is not told of its actor's end.
    let (actor, _handled) = probe();
    let unused = bed.place(actor).await;
    let grace = Duration::from_mins(2);
    bed.far.shutdown(grace).await.expect("its actors end");

    let again = bed.restart_far().await;
    let (actor, mut handled) = probe();
    let actor = again.spawn(actor);
    again.register("ticks", &actor).expect("the name is free");
    let ticks = loop {
        match bed.near.resolve::<Tick>("ticks").await {
            Ok(ticks) => break ticks,
            // It is being dialled.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    bed.assert_reach(&ticks);
    assert_ne!(ticks, before);
    let refused = refusal(&before, || Tick::number(1)).await;
    let message = match refused {
        // The actor's end was told first.
        SendError::ActorDown { message, .. } | SendError::Stale(message) => message,
        refused => panic!("{refused}"),
    };
    assert_eq!(message, Tick::number(1));
    let refused = refusal(&unused, || Tick::number(1)).await;
    assert!(matches!(refused, SendError::Stale(_)), "{refused}");
    ticks.send(Tick::number(2)).await.expect(LIVES);
    assert_eq!(handled.recv().await, Some(Tick::number(2)));
}
