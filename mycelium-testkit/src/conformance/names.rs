//! Actors are found by name, here and on linked nodes.

use mycelium::{ResolveError, prelude::*};

use super::actors::{Blob, LIVES, Tick, probe, refusal, until};
use crate::bed::{Bed, unique};

pub(super) async fn a_name_that_nobody_has_is_not_found(bed: &Bed) {
    let resolved = bed.near.resolve::<Tick>("nobody/at all").await;
    assert!(
        matches!(&resolved, Err(ResolveError::NotFound(name)) if **name == *"nobody/at all"),
        "{resolved:?}"
    );
}

pub(super) async fn a_name_of_another_type_is_refused_by_both_names(bed: &Bed) {
    let (actor, _handled) = probe::<Tick>();
    let name = unique("ticks");
    let actor = bed.far.spawn(actor);
    bed.far.register(&name, &actor).expect("the name is free");
    let resolved = bed.near.resolve::<Blob>(&name).await;
    let Err(ResolveError::WrongType {
        name: asked,
        wanted,
        found,
    }) = resolved
    else {
        panic!("{resolved:?}")
    };
    assert_eq!((&*asked, wanted, &*found), (&*name, "Blob", "Tick"));
}

pub(super) async fn a_name_goes_with_its_actor_and_can_be_given_again(bed: &Bed) {
    let name = unique("ticks");
    let (actor, _handled) = probe::<Tick>();
    let actor = bed.far.spawn(actor);
    bed.far.register(&name, &actor).expect("the name is free");
    let first = bed.find::<Tick>(&bed.near, &name).await;
    first.stop();
    refusal(&first, || Tick::number(1)).await;
    until(|| bed.far.names().is_empty()).await;
    let resolved = bed.near.resolve::<Tick>(&name).await;
    assert!(
        matches!(resolved, Err(ResolveError::NotFound(_))),
        "{resolved:?}"
    );

    let (actor, mut handled) = probe::<Tick>();
    let actor = bed.far.spawn(actor);
    bed.far.register(&name, &actor).expect("it is free again");
    let second = bed.find::<Tick>(&bed.near, &name).await;
    assert_ne!(first, second);
    second.send(Tick::number(2)).await.expect(LIVES);
    assert_eq!(handled.recv().await, Some(Tick::number(2)));
    let refused = first.try_send(Tick::number(3));
    assert!(
        matches!(refused, Err(SendError::ActorDown { .. })),
        "{refused:?}"
    );
}
