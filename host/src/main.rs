//! The `alyx` program: the command line, or one of the parts that the host re-executes itself for.

use std::ffi::OsString;
use std::process::ExitCode;

use alyx::leash;
use alyx::sandbox::process::{become_worker, is_worker};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if leash::is_keeper(&arguments) {
        return leash::keep(&arguments);
    }
    if !is_worker(&arguments) {
        return alyx::cli::run();
    }
    match become_worker(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("alyx: the worker cannot start: {error}");
            ExitCode::from(127)
        }
    }
}
