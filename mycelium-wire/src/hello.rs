//! [`Hello`]: the first frame of each direction.

use rkyv::{Archive, Serialize, util::AlignedVec};

use crate::{
    CloseReason, FrameKind, Header, Incompatibility, NodeId, NodeName, WireError,
    control::{CONTROL_FRAME_BYTES, Reader},
    header::HEADER_BYTES,
};

/// The version of the protocol that this build speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// The oldest and the newest version that this build speaks.
const VERSIONS: (u16, u16) = (PROTOCOL_VERSION, PROTOCOL_VERSION);

/// The first bytes of every `Hello` payload, in all versions.
const MAGIC: [u8; 8] = *b"mycelium";

/// Who a node is and what it speaks.
///
/// ```text
///      0        8       10       12       14       16            32
///      +--------+--------+--------+--------+--------+-------------+
///      | magic  | oldest | newest | probe  |  name  | incarnation |
///      |        | version| version| bytes  |  bytes |             |
///      | 8 bytes|  u16   |  u16   |  u16   |  u16   |    u128     |
///      +--------+--------+--------+--------+--------+-------------+
///     32                48                64     68     72        76         80
///      +-----------------+-----------------+------+------+---------+----------+
///      |      nonce      |     boot id     | uid  | pid  | message | addresses|
///      |                 |                 |      |      |  limit  |          |
///      |      u128       |      u128       | u32  | u32  |   u32   |    u32   |
///      +-----------------+-----------------+------+------+---------+----------+
///     80                96
///      +-----------------+
///      |      joins      |
///      |      u128       |
///      +-----------------+
///     96: the probe's archive, the node's name, then each address: its size as u16, its text
/// ```
///
/// Magic and versions stay where they are in every version, so that any two versions can tell each
/// other apart; the rest may change with the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The node, with the incarnation of this life.
    pub node: NodeId,
    /// Fresh random bits of this connection; the peer gives them back in `Confirm`.
    pub nonce: u128,
    /// The boot of the host that the node runs on.
    pub boot_id: u128,
    /// The user that the node runs as.
    pub uid: u32,
    /// The node's process.
    pub pid: u32,
    /// The longest archive of one message that the node accepts.
    pub message_limit_bytes: u32,
    /// The nonce of the peer's `Hello` on the connection beside which this one is to carry objects;
    /// 0 for a connection of its own. Only the dialling side knows.
    pub joins: u128,
    /// Where the node listens.
    pub addresses: Vec<Box<str>>,
}

const FIXED_BYTES: usize = 96;
const PAYLOAD_LIMIT_BYTES: usize = CONTROL_FRAME_BYTES as usize - HEADER_BYTES;

impl Hello {
    /// # Errors
    ///
    /// [`WireError::TooLarge`] when the addresses do not fit into the frame.
    pub(crate) fn write(&self, out: &mut AlignedVec<16>) -> Result<(), WireError> {
        let probe = probe_archive();
        let name = self.node.name().as_str();
        let listed_bytes: usize = self.addresses.iter().map(|address| 2 + address.len()).sum();
        let size_bytes = FIXED_BYTES + probe.len() + name.len() + listed_bytes;
        if size_bytes > PAYLOAD_LIMIT_BYTES {
            return Err(WireError::TooLarge {
                size_bytes,
                limit_bytes: PAYLOAD_LIMIT_BYTES,
            });
        }
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSIONS.0.to_le_bytes());
        out.extend_from_slice(&VERSIONS.1.to_le_bytes());
        out.extend_from_slice(&narrow(probe.len()).to_le_bytes());
        out.extend_from_slice(&narrow(name.len()).to_le_bytes());
        out.extend_from_slice(&self.node.incarnation().to_le_bytes());
        out.extend_from_slice(&self.nonce.to_le_bytes());
        out.extend_from_slice(&self.boot_id.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.pid.to_le_bytes());
        out.extend_from_slice(&self.message_limit_bytes.to_le_bytes());
        out.extend_from_slice(&u32::from(narrow(self.addresses.len())).to_le_bytes());
        out.extend_from_slice(&self.joins.to_le_bytes());
        out.extend_from_slice(&probe);
        out.extend_from_slice(name.as_bytes());
        for address in &self.addresses {
            out.extend_from_slice(&narrow(address.len()).to_le_bytes());
            out.extend_from_slice(address.as_bytes());
        }
        Ok(())
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        if !payload.starts_with(&MAGIC) {
            return Err(not_mycelium(payload));
        }
        let mut reader = Reader::new(FrameKind::Hello, &payload[MAGIC.len()..]);
        check_versions((reader.u16()?, reader.u16()?))?;
        let probe_bytes = usize::from(reader.u16()?);
        let name_bytes = usize::from(reader.u16()?);
        let incarnation = reader.u128()?;
        let nonce = reader.u128()?;
        let boot_id = reader.u128()?;
        let uid = reader.u32()?;
        let pid = reader.u32()?;
        let message_limit_bytes = reader.u32()?;
        let address_count = reader.u32()?;
        let joins = reader.u128()?;
        if reader.bytes(probe_bytes)? != probe_archive().as_slice() {
            return Err(Incompatibility::ArchiveFormat.into());
        }
        let name = read_name(&mut reader, name_bytes)?;
        let addresses = (0..address_count)
            .map(|_| read_address(&mut reader))
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self {
            node: NodeId::new(name, incarnation),
            nonce,
            boot_id,
            uid,
            pid,
            message_limit_bytes,
            joins,
            addresses,
        })
    }
}

/// Whether the first bytes of a connection, as many as have come, may be those of a `Hello` or of
/// another frame of ours. The first four, a length, may be any.
pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
    if let Some(header) = bytes.first_chunk() {
        return Header::decode(header).is_ok();
    }
    let Some(code) = bytes.get(4) else {
        return true;
    };
    let Some(kind) = FrameKind::from_u8(*code) else {
        return false;
    };
    let is_flagged = bytes.get(5).is_some_and(|flags| flags & !kind.flags() != 0);
    !is_flagged && bytes.iter().skip(6).take(2).all(|byte| *byte == 0)
}

/// The refusal of a peer that speaks something else, naming what it may be.
pub(crate) fn not_mycelium(first_bytes: &[u8]) -> CloseReason {
    let shown = &first_bytes[..first_bytes.len().min(16)];
    let guess = match shown {
        // A handshake, or the alert of somebody who was sent what is none.
        [0x16 | 0x15, 0x03, ..] => " (TLS)",
        [b'S', b'S', b'H', b'-', ..] => " (SSH)",
        [b'G', b'E', b'T', b' ', ..]
        | [b'P', b'O', b'S', b'T', ..]
        | [b'P', b'R', b'I', b' ', ..] => " (HTTP)",
        _ => "",
    };
    CloseReason::NotMycelium(format!("\"{}\"{guess}", shown.escape_ascii()).into())
}

fn check_versions(theirs: (u16, u16)) -> Result<(), CloseReason> {
    if theirs.0 <= VERSIONS.1 && VERSIONS.0 <= theirs.1 {
        Ok(())
    } else {
        let ours = VERSIONS;
        Err(Incompatibility::Versions { ours, theirs }.into())
    }
}

fn read_name(reader: &mut Reader<'_>, bytes: usize) -> Result<NodeName, CloseReason> {
    let text = reader.text(bytes)?;
    text.parse()
        .map_err(|_| reader.fault("the node's name is not valid"))
}

fn read_address(reader: &mut Reader<'_>) -> Result<Box<str>, CloseReason> {
    let bytes = usize::from(reader.u16()?);
    reader.text(bytes).map(Box::from)
}

fn narrow(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("the whole frame is below 64 KiB")
}

/// A value of everything that rkyv's format features lay out: its archive is a build's signature.
#[derive(Archive, Serialize)]
struct Probe {
    byte: u8,
    short: u16,
    word: u32,
    long: u64,
    wide: i128,
    float: f64,
    flag: bool,
    letter: char,
    some: Option<u32>,
    text: String,
    list: Vec<u16>,
}

fn probe_archive() -> AlignedVec {
    let probe = Probe {
        byte: 0x01,
        short: 0x0203,
        word: 0x0405_0607,
        long: 0x0809_0a0b_0c0d_0e0f,
        wide: -0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f,
        float: 1.5,
        flag: true,
        letter: 'å',
        some: Some(0x2021_2223),
        text: "a text that is not kept inline".into(),
        list: vec![0x2425, 0x2627],
    };
    rkyv::to_bytes::<WireError>(&probe).expect("a value without refs encodes")
}
