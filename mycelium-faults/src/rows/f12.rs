//! F-12: a full disk.

use super::{Row, Skip};

pub(crate) const ROW: Row = Row {
    name: "F-12",
    about: "a file system that is full: typed error, no half file, the fabric runs on",
    play: |_stage| {
        let skip = Skip("nothing of the fabric writes to disk yet");
        Box::pin(std::future::ready(Err(skip.into())))
    },
};
