//! The lab's stand-in for `boundary connect -exec`, as a program for the tests of the wrapper.

fn main() -> std::process::ExitCode {
    lab::connect::run(std::env::args_os().skip(1).collect())
}
