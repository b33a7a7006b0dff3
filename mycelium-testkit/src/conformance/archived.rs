//! Messages of another node are read where they arrived; those of the same one are moved.

use mycelium::prelude::*;
use tokio::sync::mpsc;

use super::actors::LIVES;
use crate::bed::Bed;

#[message]
struct Chart {
    sequence: u64,
    points: Payload,
}

/// How a message came, and where its payload lay.
#[derive(Debug, PartialEq)]
enum Came {
    Moved {
        sequence: u64,
        at: usize,
    },
    Archived {
        sequence: u64,
        at: usize,
        decoded_at: usize,
    },
}

struct Reader(mpsc::UnboundedSender<Came>);

impl Actor for Reader {
    type Message = Chart;

    async fn handle(&mut self, chart: Chart, _cx: &mut Context<Self>) -> ActorResult {
        let (sequence, at) = (chart.sequence, chart.points.as_ptr().addr());
        self.0.send(Came::Moved { sequence, at })?;
        Ok(())
    }

    async fn handle_archived(
        &mut self,
        chart: Archived<Chart>,
        _cx: &mut Context<Self>,
    ) -> ActorResult {
        let view = chart.view();
        let (sequence, at) = (view.sequence.to_native(), view.points.as_ptr().addr());
        let decoded_at = chart.decode().points.as_ptr().addr();
        self.0.send(Came::Archived {
            sequence,
            at,
            decoded_at,
        })?;
        Ok(())
    }
}

pub(super) async fn messages_of_another_node_are_read_where_they_arrived(bed: &Bed) {
    let (sender, mut came) = mpsc::unbounded_channel();
    let reader = bed.place(Reader(sender)).await;
    for (number, size) in (0..).zip([0, 1, 200, 300, 5_000, 500_000]) {
        let points = Payload::from(vec![7; size]);
        let sequence = number;
        reader.send(Chart { sequence, points }).await.expect(LIVES);
        match came.recv().await.expect(LIVES) {
            Came::Moved { sequence, .. } if bed.reach().is_local() => assert_eq!(sequence, number),
            Came::Archived { sequence, .. } if !bed.reach().is_local() => {
                assert_eq!(sequence, number);
            }
            came => panic!("{came:?}"),
        }
    }
}

pub(super) async fn a_payload_is_never_copied(bed: &Bed) {
    let (sender, mut came) = mpsc::unbounded_channel();
    let reader = bed.place(Reader(sender)).await;
    for size in [1, 200, 300, 5_000, 500_000] {
        let points = Payload::from(vec![7; size]);
        let sent_at = points.as_ptr().addr();
        let sequence = 0;
        reader.send(Chart { sequence, points }).await.expect(LIVES);
        match came.recv().await.expect(LIVES) {
            Came::Moved { at, .. } => assert_eq!(at, sent_at, "it is moved"),
            Came::Archived { at, decoded_at, .. } => {
                assert_eq!(at, decoded_at, "it is a slice of the frame");
            }
        }
    }
}
