//! The system calls that a worker cannot make: seccomp.
//!
//! Three filters, since each has one answer to what it catches. Knows nothing of files; Landlock does.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

use crate::sandbox::denied;
use crate::sandbox::profile::{Failed, Level, Profile, Reach, Step};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Takes the calls away from this process and all that it starts.
pub(crate) fn deny(profile: &Profile) -> Result<(), Failed> {
    let no_such_call = SeccompAction::Errno(libc::ENOSYS as u32);
    // Its flags lie in memory, where no filter can see them; the C library then takes `clone`.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    install(clone3, no_such_call).step("deny clone3")?;
    deny_other_numbering().step("deny calls by other numbers")?;
    let families = denied_families(profile).step("choose socket families")?;
    install(families, SeccompAction::Errno(libc::EAFNOSUPPORT as u32)).step("deny sockets")?;
    let calls = denied_calls().step("choose system calls")?;
    install(calls, SeccompAction::Errno(libc::EPERM as u32)).step("deny system calls")
}

fn install(rules: Rules, answer: SeccompAction) -> Result<(), String> {
    let arch = std::env::consts::ARCH.try_into();
    let arch = arch.map_err(|_| "seccomp is not known for this processor".to_owned())?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch);
    let program: BpfProgram =
        filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())
}

/// x86-64 kernels may take the same calls under a second set of numbers, which no list above names.
fn deny_other_numbering() -> Result<(), seccompiler::Error> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(());
    }
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let at_least = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    apply_filter(&[
        step(load, 0, 0, 0),
        step(at_least, 0, 1, 0x4000_0000),
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ])
}

fn denied_calls() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = denied::calls().map(|(_, call)| (call, Vec::new())).collect();
    let flagged = denied::NAMESPACES.into_iter().map(|flag| {
        let flag = flag as u64;
        rule(&[(0, Op::MaskedEq(flag), flag)])
    });
    rules.insert(libc::SYS_clone, flagged.collect::<Result<_, _>>()?);
    let typing = denied::TYPING.map(|request| rule(&[(1, Op::Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

fn denied_families(profile: &Profile) -> Result<Rules, seccompiler::BackendError> {
    let mut allowed = denied::FAMILIES.to_vec();
    // Where the network cannot be taken away as a whole, its sockets are.
    if profile.level == Level::Isolated || profile.network == Reach::Open {
        allowed.extend(denied::NETWORK_FAMILIES);
    }
    let others: Vec<_> = allowed.iter().map(|family| (0, Op::Ne, *family as u64)).collect();
    let netlink = [(0, Op::Eq, libc::AF_NETLINK as u64), (2, Op::Ne, libc::NETLINK_ROUTE as u64)];
    Ok(Rules::from([(libc::SYS_socket, vec![rule(&others)?, rule(&netlink)?])]))
}

/// One rule, of conditions that must all hold.
fn rule(conditions: &[(u8, Op, u64)]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions.iter().map(|(argument, op, value)| {
        SeccompCondition::new(*argument, Len::Dword, op.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}
