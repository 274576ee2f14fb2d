//! Brings up the loopback interface of a new network namespace.
//!
//! One message to the kernel and its answer; knows nothing of what will talk over it.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};

const NEW_LINK: u16 = 16;
const ERROR: u16 = 2;
const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
const UP: u32 = 1;
/// The loopback interface is the first one of every network namespace.
const INDEX: i32 = 1;

pub(crate) fn bring_up() -> io::Result<()> {
    let line = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&line, &message(), SendFlags::empty())?;
    let mut answer = [0u8; 1024];
    let (length, _) = recv(&line, &mut answer, RecvFlags::empty())?;
    let field = |at: usize| answer.get(at..at + 4).filter(|_| at + 4 <= length);
    let number = |at| field(at).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    match (kind, number(16)) {
        (ERROR, Some(0)) => Ok(()),
        (ERROR, Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(io::Error::other(format!("the kernel answered with a message of kind {kind}"))),
    }
}

/// A netlink header of 16 bytes and an interface message of 16.
fn message() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(32u32.to_ne_bytes());
    bytes.extend(NEW_LINK.to_ne_bytes());
    bytes.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    bytes.extend(1u32.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    // Family and type stay open.
    bytes.extend([0; 4]);
    bytes.extend(INDEX.to_ne_bytes());
    bytes.extend(UP.to_ne_bytes());
    bytes.extend(UP.to_ne_bytes());
    bytes
}
