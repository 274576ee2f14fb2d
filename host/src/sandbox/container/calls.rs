//! The system calls that a container cannot make, in the words of engines: the list that processes
//! have, instead of the engine's own, which lets through more. Asks nobody.
//!
//! The form is Docker's; of names that they do not know, engines take no notice.

use std::path::Path;

use nix::libc;
use serde_json::{Value, json};

use crate::engine::Kind;
use crate::sandbox::denied;

/// Its name in the folder that Podman is pointed at.
const FILE: &str = "calls.json";
/// No family of sockets has a higher number yet.
const LAST_FAMILY: i32 = 64;
/// What the kernel looks at of an argument that is an `int`.
const INT: u64 = 0xFFFF_FFFF;

/// The options that make an engine hold it. Docker is told the list itself, Podman where it lies.
///
/// # Errors
/// Whatever keeps the list from being written into the folder.
pub(crate) fn options(kind: Kind, folder: &Path) -> std::io::Result<Vec<String>> {
    let list = match kind {
        Kind::Docker => list().to_string(),
        Kind::Podman => {
            let file = folder.join(FILE);
            if !file.exists() {
                std::fs::write(&file, list().to_string())?;
            }
            file.to_string_lossy().into_owned()
        }
    };
    Ok(vec!["no-new-privileges".into(), format!("seccomp={list}")])
}

fn list() -> Value {
    // Its flags lie in memory, where no filter can see them; the C library then takes `clone`.
    let mut rules = vec![rule(&["clone3"], libc::ENOSYS, &[])];
    let names: Vec<_> = denied::calls().map(|(name, _)| name_of(name)).collect();
    rules.push(rule(&names, libc::EPERM, &[]));
    for flag in denied::NAMESPACES {
        rules.push(rule(&["clone"], libc::EPERM, &[masked(0, flag as u64, flag as u64)]));
    }
    for request in denied::TYPING {
        rules.push(rule(&["ioctl"], libc::EPERM, &[masked(1, INT, request)]));
    }
    let allowed = [denied::FAMILIES, denied::NETWORK_FAMILIES].concat();
    for family in (0..=LAST_FAMILY).filter(|family| !allowed.contains(family)) {
        let this = masked(0, INT, family as u64);
        rules.push(rule(&["socket"], libc::EAFNOSUPPORT, &[this]));
    }
    let later = condition(0, "GT", LAST_FAMILY as u64, 0);
    rules.push(rule(&["socket"], libc::EAFNOSUPPORT, &[later]));
    let netlink = masked(0, INT, libc::AF_NETLINK as u64);
    let not_routes = condition(2, "NE", libc::NETLINK_ROUTE as u64, 0);
    rules.push(rule(&["socket"], libc::EAFNOSUPPORT, &[netlink, not_routes]));
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
}

fn name_of(constant: &str) -> &str {
    constant.trim_start_matches("SYS_")
}

/// What is refused with this error when all conditions hold.
fn rule(names: &[&str], error: i32, conditions: &[Value]) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error, "args": conditions})
}

fn masked(argument: u32, mask: u64, value: u64) -> Value {
    condition(argument, "MASKED_EQ", mask, value)
}

fn condition(argument: u32, comparison: &str, value: u64, second: u64) -> Value {
    let op = format!("SCMP_CMP_{comparison}");
    json!({"index": argument, "op": op, "value": value, "valueTwo": second})
}
