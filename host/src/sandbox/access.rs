//! The files a worker may touch, and whom it may signal: Landlock.
//!
//! In a worker's own view it is the second wall; where there is no such view, it is the only one.
//! Knows nothing of system calls that are not about files.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus,
    Scope,
};

use crate::sandbox::mounts::{DEVICES, SETTINGS, SYSTEM};
use crate::sandbox::profile::{Failed, Level, Profile, Step};

/// The newest that is made use of; older kernels do what they can.
const NEWEST: ABI = ABI::V9;
/// What of /proc a program needs that looks at itself and at the machine.
const FACTS: [&str; 11] = [
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
];

/// Restricts this process and all that it starts; says what of it the kernel could do.
pub(crate) fn restrict(profile: &Profile) -> Result<String, Failed> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create);
    let mut rules = rules.step("make Landlock rules")?;
    let read = AccessFs::from_read(NEWEST);
    let every = AccessFs::from_all(NEWEST);
    let connect = read | AccessFs::ResolveUnix;
    if profile.level == Level::Isolated {
        rules = allow(rules, &["/".into()], connect)?;
        rules = allow(rules, &["/tmp".into(), "/dev/shm".into()], every)?;
    } else {
        let settings = SETTINGS.iter().map(|name| Path::new("/etc").join(name));
        let system = SYSTEM.iter().chain(&FACTS).map(PathBuf::from);
        let readable: Vec<_> =
            system.chain(settings).chain(profile.readable.iter().cloned()).collect();
        rules = allow(rules, &readable, read)?;
        rules = allow(rules, &profile.sockets, connect)?;
        rules = allow(rules, std::slice::from_ref(&profile.folder), every)?;
    }
    let devices: Vec<_> = DEVICES.iter().map(|name| Path::new("/dev").join(name)).collect();
    rules = allow(rules, &devices, AccessFs::ReadFile | AccessFs::WriteFile)?;
    let status = rules.restrict_self().step("enforce Landlock rules")?;
    Ok(achieved(&status))
}

fn allow(
    mut rules: RulesetCreated,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Failed> {
    for path in paths {
        // What is not there, or not to be seen, needs no rule.
        let Ok(place) = PathFd::new(path) else { continue };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        let rule = PathBeneath::new(place, access).set_compatibility(CompatLevel::BestEffort);
        rules = rules.add_rule(rule).step(format!("allow '{}'", path.display()))?;
    }
    Ok(rules)
}

/// `ABI 7`, or why not.
fn achieved(status: &RestrictionStatus) -> String {
    match (&status.landlock, &status.ruleset) {
        (LandlockStatus::NotImplemented, _) => "the kernel has none".into(),
        (LandlockStatus::NotEnabled, _) => "the kernel was started without it".into(),
        (LandlockStatus::Available { .. }, RulesetStatus::NotEnforced) => "not enforced".into(),
        (LandlockStatus::Available { effective_abi, .. }, _) => {
            format!("ABI {}", *effective_abi as i32)
        }
    }
}
