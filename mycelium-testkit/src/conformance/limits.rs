//! No message and no answer is longer than both nodes take.

use mycelium::prelude::*;

use super::actors::{Blob, Desk, LIVES, PATIENCE, Question, probe};
use crate::bed::Bed;

/// The longest archive that a node accepts by default.
const LIMIT_BYTES: usize = 1 << 20;

pub(super) async fn messages_up_to_the_limit_pass_and_longer_ones_come_back(bed: &Bed) {
    let (actor, mut handled) = probe();
    let blobs = bed.place(actor).await;
    for sequence in 0..3 {
        let above = Blob::of_size(sequence, Blob::LIMIT_BYTES + 1);
        for refused in [
            blobs.send(above.clone()).await,
            blobs.try_send(above.clone()),
        ] {
            let Err(SendError::TooLarge {
                message,
                limit_bytes,
                ..
            }) = refused
            else {
                panic!("{refused:?}")
            };
            assert!(message == above, "it comes back whole");
            assert_eq!(limit_bytes, LIMIT_BYTES);
        }
        for size in [Blob::LIMIT_BYTES, Blob::LIMIT_BYTES - 1, 0] {
            let blob = Blob::of_size(sequence, size);
            blobs.send(blob.clone()).await.expect(LIVES);
            assert!(handled.recv().await == Some(blob), "{size} bytes");
        }
    }
}

pub(super) async fn answers_up_to_the_limit_pass_and_longer_ones_fail_their_ask(bed: &Bed) {
    // What the archive of a list adds to its bytes.
    const FRAME_BYTES: u32 = 8;
    let limit = u32::try_from(LIMIT_BYTES).expect("small") - FRAME_BYTES;
    let desk = bed.place(Desk::default()).await;
    for (bytes, fits) in [
        (limit - 1, true),
        (limit, true),
        (limit + 1, false),
        (2 * limit, false),
        (0, true),
    ] {
        let ask = desk.ask(|reply| Question::Long { bytes, reply });
        match ask.timeout(PATIENCE).await {
            Ok(answer) => assert!(fits && answer == vec![7; bytes as usize], "{bytes} bytes"),
            Err(AskError::TooLarge) => assert!(!fits, "{bytes} bytes"),
            Err(error) => panic!("{error}"),
        }
    }
}
