//! F-39: a panic in `Drop`.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use mycelium::prelude::*;

use super::{Failure, Row, ensure};
use crate::{stage::Stage, victim::Victim};

pub(crate) const ROW: Row = Row {
    name: "F-39",
    about: "panics in the Drop of messages and actors: contained, all others live on",
    play: |stage| Box::pin(play(stage)),
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Panics when it is dropped.
struct Bomb;

static BANGS: AtomicU32 = AtomicU32::new(0);

impl Drop for Bomb {
    fn drop(&mut self) {
        // Relaxed: it only counts.
        BANGS.fetch_add(1, Ordering::Relaxed);
        // A second panic while the first unwinds would abort, as everywhere in Rust.
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("a drop that panics"));
        }
    }
}

/// Panics when it is dropped, and leaves messages behind that do.
struct Mine {
    _bomb: Bomb,
}

impl Actor for Mine {
    type Message = Bomb;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        cx.cancelled().await;
        Ok(())
    }

    async fn handle(&mut self, _bomb: Bomb, _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

async fn play(stage: &Stage) -> Result<String, Failure> {
    let mines = stage.scale.pick(100, 2_000);
    let victim = Victim::start().await?;
    let before = victim.node.actors_len();
    for _ in 0..mines {
        let mine = victim.node.spawn(Mine { _bomb: Bomb });
        for _ in 0..3 {
            if let Err(full) = mine.try_send(Bomb) {
                std::mem::forget(full.into_inner());
            }
        }
        mine.kill();
        tokio::time::timeout(PATIENCE, mine.ended()).await??;
        victim.is_well().await?;
    }
    let left = victim.node.actors_len();
    ensure(left == before, || {
        format!("{left} actors live, not {before}")
    })?;
    // Relaxed: as above; the actors have ended.
    let bangs = BANGS.load(Ordering::Relaxed);
    ensure(bangs >= 4 * mines, || {
        format!("{bangs} drops of {}", 4 * mines)
    })?;
    victim.end().await?;
    Ok(format!(
        "{mines} actors and {} messages blew up",
        bangs - mines
    ))
}
