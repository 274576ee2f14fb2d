//! What a worker's process may still do as a process: who it is, and how much it may take.
//!
//! Each of these can only be given up, never taken back. Knows nothing of files and calls.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid, getrlimit, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::sandbox::profile::{FILES, Failed, LONGEST_FILE, Profile, Step};

/// Becomes somebody with no rights but those of anybody.
pub(crate) fn give_up(profile: &Profile) -> Result<(), Failed> {
    // While it may: this itself takes a capability.
    drop_bounding_set();
    clear_ambient_capability_set().step("clear the ambient capabilities")?;
    if let Some(user) = profile.user {
        become_user(user).step(format!("become user {user}"))?;
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, none).step("give up capabilities")?;
    set_no_new_privs(true).step("give up new privileges")?;
    // A change of user has cleared it.
    set_parent_process_death_signal(Some(Signal::KILL)).step("end with the parent")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("hide from tracers")?;
    limit(profile).step("set limits")
}

/// Makes sure that this process ends when the one that started it does.
pub(crate) fn end_with_parent(profile: &Profile) -> Result<(), Failed> {
    set_parent_process_death_signal(Some(Signal::KILL)).step("end with the parent")?;
    // In a pid namespace of its own the parent cannot be seen.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.is_some_and(|parent| parent != profile.parent) {
        return Err(io::Error::other("it has ended")).step("look for the parent");
    }
    Ok(())
}

fn drop_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        // One that the kernel does not know, or that may not be dropped, cannot be gained either:
        // no new privileges come with an exec.
        let _not_there = remove_capability_from_bounding_set(capability);
    }
}

fn become_user(user: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    // Programs open /dev/stdout again by its name.
    let outputs: [BorrowedFd<'_>; 2] = [rustix::stdio::stdout(), rustix::stdio::stderr()];
    for output in outputs {
        let _not_a_pipe_of_ours = rustix::fs::fchown(output, Some(uid), Some(gid));
    }
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

fn limit(profile: &Profile) -> io::Result<()> {
    let mut limits = vec![
        (Resource::Core, 0),
        (Resource::Nofile, FILES),
        (Resource::Fsize, LONGEST_FILE),
        (Resource::Memlock, 0),
    ];
    limits.extend(profile.data.map(|bytes| (Resource::Data, bytes)));
    limits.extend(profile.tasks.map(|count| (Resource::Nproc, count)));
    for (resource, wanted) in limits {
        // What is lower already stays.
        let most = getrlimit(resource).maximum.map_or(wanted, |held| held.min(wanted));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}
