//! What no function needs and what has led out of sandboxes before: one list for processes and for
//! containers. Knows nothing of how it is held.

use nix::libc;

/// A system call: its name behind `SYS_`, and its number here.
pub(crate) type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident)*) => { [$((stringify!($name), libc::$name)),*] };
}

/// Changing the machine, looking into other processes, and large interfaces that have no use here.
#[rustfmt::skip]
const CALLS: [Call; 61] = calls! [
    // Namespaces, mounts and roots.
    SYS_unshare SYS_setns SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree
    SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_mount_setattr
    SYS_open_by_handle_at SYS_name_to_handle_at
    // Other processes, and where memory lies.
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise SYS_kcmp
    SYS_pidfd_getfd SYS_move_pages SYS_migrate_pages SYS_mbind SYS_get_mempolicy SYS_set_mempolicy
    SYS_set_mempolicy_home_node
    // Keys, programs in the kernel, events, rings.
    SYS_add_key SYS_request_key SYS_keyctl SYS_bpf SYS_perf_event_open SYS_userfaultfd
    SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_fanotify_init
    SYS_fanotify_mark SYS_lookup_dcookie SYS_memfd_secret
    // The machine itself.
    SYS_reboot SYS_kexec_load SYS_kexec_file_load SYS_init_module SYS_finit_module
    SYS_delete_module SYS_swapon SYS_swapoff SYS_settimeofday SYS_clock_settime SYS_clock_adjtime
    SYS_adjtimex SYS_sethostname SYS_setdomainname SYS_syslog SYS_acct SYS_quotactl
    SYS_quotactl_fd SYS_vhangup SYS_nfsservctl SYS_personality
];
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const CALLS_HERE: [Call; 7] = calls! [
    SYS_iopl SYS_ioperm SYS_modify_ldt SYS__sysctl SYS_sysfs SYS_uselib SYS_ustat
];
#[cfg(not(target_arch = "x86_64"))]
const CALLS_HERE: [Call; 0] = [];

/// All that is refused whatever it is asked for.
pub(crate) fn calls() -> impl Iterator<Item = Call> {
    CALLS.into_iter().chain(CALLS_HERE)
}

/// What `clone` is not asked for.
pub(crate) const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// What `ioctl` is not asked for: typing into the terminal of whoever started the host.
pub(crate) const TYPING: [u64; 2] = [libc::TIOCSTI, 0x541C];

/// Every family of sockets but these has been a way into the kernel, and none is of use here.
pub(crate) const FAMILIES: [i32; 2] = [libc::AF_UNIX, libc::AF_NETLINK];
/// The same, of a network.
pub(crate) const NETWORK_FAMILIES: [i32; 2] = [libc::AF_INET, libc::AF_INET6];
