//! [`Row`]: the kernel's table of TCP sockets, where it says whose a socket is.
//!
//! A plain TCP connection does not tell who is at its other end. On one host the kernel knows: the
//! peer's socket has a row of its own in `/proc/net/tcp` or `tcp6` (proc(5)), with its user.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The code of a connection that is open both ways (`TCP_ESTABLISHED`).
const ESTABLISHED: u8 = 1;

/// One socket of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    /// With IPv4 addresses that are mapped into IPv6 as the IPv4 addresses that they are.
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    uid: u32,
    /// 0 where no process holds the socket: it has not been accepted, or it is closed.
    inode: u64,
}

/// The user that holds the socket bound to `local` and connected to `remote`, if there is one.
///
/// Reads the whole table, which blocks for about a millisecond per thousand sockets of the host.
pub(crate) fn owner(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = match fs::read_to_string(table) {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        if let Some(uid) = owner_in(&text, local, remote) {
            return Ok(Some(uid));
        }
    }
    Ok(None)
}

/// The user of the row between these two addresses that is established and held by a process.
fn owner_in(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let (local, remote) = (canonical(local), canonical(remote));
    let is_held = |row: &Row| row.state == ESTABLISHED && row.inode != 0;
    table
        .lines()
        .filter_map(parse)
        .find(|row| row.local == local && row.remote == remote && is_held(row))
        .map(|row| row.uid)
}

/// Reads a line of the table; the heading and what is laid out in another way is no row.
fn parse(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace();
    let _number = fields.next()?.strip_suffix(':')?;
    let local = parse_address(fields.next()?)?;
    let remote = parse_address(fields.next()?)?;
    let state = parse_hex(fields.next()?, 2)?;
    // Queues, timers and retransmits.
    let uid = fields.nth(3)?.parse().ok()?;
    let _timeout = fields.next()?;
    let inode = fields.next()?.parse().ok()?;
    Some(Row {
        local,
        remote,
        state: u8::try_from(state).ok()?,
        uid,
        inode,
    })
}

/// Reads `0100007F:1F90`: the address in words as they lie in this machine's memory, the port as
/// people write it.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(parse_word(ip)?)),
        32 => IpAddr::V6(parse_v6(ip)?),
        _ => return None,
    };
    let port = u16::try_from(parse_hex(port, 4)?).ok()?;
    Some(canonical(SocketAddr::new(ip, port)))
}

fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    let mut bytes = [0; 16];
    for (at, word) in bytes.chunks_exact_mut(4).enumerate() {
        word.copy_from_slice(&parse_word(text.get(8 * at..8 * at + 8)?)?);
    }
    Some(Ipv6Addr::from(bytes))
}

/// The bytes of an address, in the order of the network.
fn parse_word(text: &str) -> Option<[u8; 4]> {
    parse_hex(text, 8).map(u32::to_ne_bytes)
}

fn parse_hex(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok();
    number.filter(|_| is_number)
}

/// The same address for IPv4 and for IPv4 within IPv6, without scope and flow.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

// The tables below were printed on a little-endian machine.
#[cfg(all(test, target_endian = "little"))]
mod tests {
    use std::net::SocketAddr;

    use super::{owner_in, parse};

    /// A listener, an established pair of users 1000 and 65534, a connection that was not accepted
    /// yet, and one that is being closed.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 18213 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:A3D2 01 00000000:00000000 00:00000000 00000000  1000        0 18215 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:A3D2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 65534        0 18214 1 0000000000000000 20 0 0 10 -1
   3: 0100007F:1F90 0100007F:A3D4 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   4: 0100007F:A3D6 0100007F:1F90 05 00000000:00000000 00:00000000 00000000  1000        0 18219 1 0000000000000000 20 0 0 10 -1
   5: 0100007F:A3D8 0100007F:1F90 06 00000000:00000000 03:000003C8 00000000     0        0 0 3 0000000000000000
";

    /// A pair on `::1`, and the IPv4 end of a socket that speaks IPv4 within IPv6.
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C350 01 00000000:00000000 00:00000000 00000000  1001        0 20001 1 0000000000000000 20 4 30 10 -1
   1: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 20002 1 0000000000000000 20 4 30 10 -1
";

    fn owner(table: &str, local: &str, remote: &str) -> Option<u32> {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        owner_in(table, address(local), address(remote))
    }

    #[test]
    fn each_end_of_a_connection_has_its_own_user() {
        let (listening, dialled) = ("127.0.0.1:8080", "127.0.0.1:41938");
        assert_eq!(owner(TCP, listening, dialled), Some(1000));
        assert_eq!(owner(TCP, dialled, listening), Some(65534));
    }

    #[test]
    fn a_socket_that_no_process_holds_has_no_owner() {
        assert_eq!(owner(TCP, "127.0.0.1:8080", "127.0.0.1:41940"), None);
        assert_eq!(
            owner(TCP, "127.0.0.1:41942", "127.0.0.1:8080"),
            None,
            "it is being closed"
        );
        assert_eq!(
            owner(TCP, "127.0.0.1:41944", "127.0.0.1:8080"),
            None,
            "it is closed"
        );
        assert_eq!(
            owner(TCP, "127.0.0.1:1", "127.0.0.1:2"),
            None,
            "there is none"
        );
    }

    #[test]
    fn ipv6_is_read_and_ipv4_found_within_it() {
        assert_eq!(owner(TCP6, "[::1]:8080", "[::1]:50000"), Some(1001));
        assert_eq!(owner(TCP6, "127.0.0.1:50001", "127.0.0.1:8080"), Some(1002));
        let mapped = ("[::ffff:127.0.0.1]:41938", "[::ffff:127.0.0.1]:8080");
        assert_eq!(owner(TCP, mapped.0, mapped.1), Some(65534));
    }

    #[test]
    fn a_malformed_line_is_no_row() {
        let good = "2: 0100007F:A3D2 0100007F:1F90 01 0:0 00:0 0 65534 0 18214 1";
        assert!(parse(good).is_some());
        for (part, bad) in [
            ("2:", "2"),
            ("0100007F:A3D2", "0100007F"),
            ("0100007F:A3D2", "0100007:A3D2"),
            ("0100007F:A3D2", "0100007G:A3D2"),
            ("0100007F:A3D2", "+100007F:A3D2"),
            ("0100007F:A3D2", "0100007F:A3D21"),
            ("0100007F:A3D2", "é100007:A3D2"),
            ("0100007F:A3D2", "00000000000000000000000000000é0:A3D2"),
            (" 01 ", " 001 "),
            (" 01 ", " zz "),
            ("65534", "-1"),
            ("65534", "4294967296"),
            ("18214", "x"),
            (" 0 18214 1", ""),
            (good, ""),
        ] {
            let line = good.replacen(part, bad, 1);
            assert_eq!(parse(&line), None, "{line}");
        }
    }
}
