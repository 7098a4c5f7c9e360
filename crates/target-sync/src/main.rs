//! The program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    target_sync::main()
}
