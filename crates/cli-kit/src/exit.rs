//! Exit codes that all programs share.
//!
//! The wrapper's remote codes pass through unchanged; these are the programs' own.

/// Success, or nothing to do.
pub const OK: u8 = 0;
/// The wrapper's own failure, or an outcome that is not known. Source: ssh's convention.
pub const OWN_FAILURE: u8 = 255;
/// Wrong usage. Source: sysexits.
pub const USAGE: u8 = 64;
/// A configuration file that cannot be used. Source: sysexits.
pub const CONFIGURATION: u8 = 78;

/// The code of a program ended by a signal: 128 plus its number. We exit with it and never die by the signal itself,
/// since `boundary` would then report 255. Source: Boundary `internal/cmd/commands/connect/connect.go`.
pub const fn by_signal(number: u8) -> u8 {
    128u8.saturating_add(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_map_as_in_a_shell() {
        assert_eq!((by_signal(2), by_signal(15), by_signal(1)), (130, 143, 129));
    }
}
