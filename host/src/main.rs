//! The `alyx` program: the command line, or a worker's first moment.

use std::ffi::OsString;
use std::process::ExitCode;

use alyx::sandbox::process::{INIT_ARGUMENT, become_worker};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == INIT_ARGUMENT
    {
        let error = become_worker(rest);
        eprintln!("alyx: the worker cannot start: {error}");
        return ExitCode::from(127);
    }
    alyx::cli::run()
}
