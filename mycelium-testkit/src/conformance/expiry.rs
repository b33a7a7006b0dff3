//! What has waited for longer than it is of use is not handled.

use std::time::Duration;

use mycelium::{LinkStats, prelude::*};

use super::{
    actors::{LIVES, PATIENCE, Tick, capacity, gated, until},
    counts::at_rest,
};
use crate::bed::Bed;

/// A time that has passed when the turn of its message comes, however soon that is.
fn no_time() -> SendOptions {
    SendOptions::default().ttl(Duration::ZERO)
}

pub(super) async fn what_has_expired_is_refused_and_counted(bed: &Bed) {
    let (actor, mut gate) = gated();
    let ticks = bed.place_with(capacity(16), actor).await;
    let in_time = SendOptions::default().ttl(PATIENCE);
    for number in 0..4 {
        ticks
            .with(no_time())
            .try_send(Tick::number(99))
            .expect(LIVES);
        ticks
            .with(in_time)
            .try_send(Tick::number(number))
            .expect(LIVES);
        ticks
            .with(no_time())
            .send(Tick::number(99))
            .await
            .expect(LIVES);
    }
    gate.open();
    for number in 0..4 {
        assert_eq!(gate.next().await, Tick::number(number));
    }
    until(|| bed.far.stats().dead_letters.expired == 8).await;
    if bed.reach().is_local() {
        return;
    }
    let expected = LinkStats {
        accepted: 12,
        confirmed: 4,
        refused: 8,
        ..LinkStats::default()
    };
    assert_eq!(at_rest(bed, ticks).await, expected);
}

pub(super) async fn what_finds_no_room_while_it_is_of_use_comes_back(bed: &Bed) {
    let (actor, mut gate) = gated();
    let ticks = bed.place_with(capacity(1), actor).await;
    ticks.try_send(Tick::number(0)).expect(LIVES);
    let refused = ticks.with(no_time()).send(Tick::number(1)).await;
    let Err(SendError::Timeout(message)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(message, Tick::number(1));
    gate.open();
    assert_eq!(gate.next().await, Tick::number(0));
}
