//! Reads the layouts that a page draws as boxes.

/// One field: `kind` is the last line of its box, `name` what stands above.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) offset: Option<usize>,
    pub(crate) name: String,
    pub(crate) kind: String,
}

impl Field {
    /// The size that the kind says, where it says one.
    pub(crate) fn size_bytes(&self) -> Option<usize> {
        match self.kind.split_once(['u', ' ']) {
            Some(("", bits)) => bits.parse::<usize>().ok().map(|bits| bits / 8),
            Some((bytes, "bytes")) => bytes.parse().ok(),
            _ => None,
        }
    }
}

/// The fields of all boxes in the only drawing that holds this text.
pub(crate) fn fields_of(page: &str, text: &str) -> Vec<Field> {
    let blocks = page.split("```text\n").skip(1);
    let mut drawings = blocks.filter_map(|block| {
        let (drawing, _) = block.split_once("```")?;
        drawing.contains(text).then_some(drawing)
    });
    let drawing = drawings.next().expect("the page draws it");
    assert!(drawings.next().is_none(), "{text} is drawn twice");
    let lines: Vec<_> = drawing.lines().collect();
    let is_border = |line: &&str| line.trim_start().starts_with('+');
    let mut fields = Vec::new();
    let mut at = 1;
    while at < lines.len() {
        if is_border(&lines[at]) {
            let inside = lines[at + 1..].split(is_border).next().expect("a box ends");
            fields.extend(fields_in(lines[at - 1], lines[at], inside));
            at += inside.len() + 1;
        }
        at += 1;
    }
    fields
}

/// The boxes that stand beside each other below one line of offsets.
fn fields_in(offsets: &str, border: &str, inside: &[&str]) -> Vec<Field> {
    let corners: Vec<_> = border.match_indices('+').map(|(at, _)| at).collect();
    let sides = corners.windows(2).map(|pair| (pair[0], pair[1]));
    let boxes = sides.filter(|&(left, right)| border[left + 1..right].bytes().all(|it| it == b'-'));
    boxes
        .map(|(left, right)| {
            let texts: Vec<_> = inside
                .iter()
                .map(|line| line[left + 1..right].trim())
                .collect();
            let (kind, name) = texts.split_last().expect("a box is not empty");
            Field {
                offset: offset_at(offsets, left),
                name: name.join(" ").trim().to_owned(),
                kind: (*kind).to_owned(),
            }
        })
        .collect()
}

/// The number above a corner, or nearly.
fn offset_at(offsets: &str, corner: usize) -> Option<usize> {
    let around = corner.saturating_sub(1)..=corner + 1;
    let mut end = 0;
    offsets.split_inclusive(' ').find_map(|word| {
        let start = end;
        end += word.len();
        let last = start + word.trim_end().len().saturating_sub(1);
        let is_above = around.contains(&start) || around.contains(&last);
        word.trim_end().parse().ok().filter(|_| is_above)
    })
}
