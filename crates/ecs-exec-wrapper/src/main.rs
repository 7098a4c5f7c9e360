//! The program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ecs_exec_wrapper::main()
}
