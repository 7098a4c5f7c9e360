//! How much input may be on its way without a confirmation.
//!
//! Owns the one number. The agent confirms only what its terminal took, so what is on its way is also what a Ctrl-C waits
//! behind: the window opens while confirmations come as quickly as they can, and closes as soon as they do not.

use std::time::Duration;

/// Confirmations come quickly while they take no longer than this multiple of the quickest.
const QUICK_FACTOR: u32 = 2;
/// Nobody feels a wait of this length, whatever the quickest was.
const UNFELT: Duration = Duration::from_millis(2);

/// The window on user input, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InputWindow {
    least: usize,
    most: usize,
    open: usize,
}

impl InputWindow {
    pub(crate) fn new(least: usize, most: usize) -> Self {
        Self { least, most: most.max(least), open: least }
    }

    /// Bytes that may be on their way.
    pub(crate) fn bytes(&self) -> usize {
        self.open
    }

    /// Takes in that `len` bytes were confirmed after `round_trip` (none if it says nothing), of `on_way` that were on their
    /// way; `quickest` is the shortest round trip so far. A window that was not used does not open; one that ran empty is the
    /// least again.
    pub(crate) fn confirmed(&mut self, len: usize, on_way: usize, round_trip: Option<Duration>, quickest: Option<Duration>) {
        let (Some(round_trip), Some(quickest)) = (round_trip, quickest) else { return };
        if on_way == len {
            self.open = self.least;
        } else if round_trip > (quickest * QUICK_FACTOR).max(UNFELT) {
            self.open = (self.open / 2).max(self.least);
        } else if on_way * 2 > self.open {
            self.open = (self.open + len).min(self.most);
        }
    }

    /// A new connection: what is known of the route is old.
    pub(crate) fn reset(&mut self) {
        self.open = self.least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const QUICK: Option<Duration> = Some(Duration::from_millis(40));
    const SLOW: Option<Duration> = Some(Duration::from_millis(81));

    fn opened() -> InputWindow {
        let mut window = InputWindow::new(8 * KIB, 64 * KIB);
        (0..200).for_each(|_| window.confirmed(KIB, window.bytes(), QUICK, QUICK));
        window
    }

    #[test]
    fn it_doubles_each_round_trip_up_to_its_most() {
        let mut window = InputWindow::new(8 * KIB, 64 * KIB);
        (0..8).for_each(|_| window.confirmed(KIB, window.bytes(), QUICK, QUICK));
        assert_eq!(window.bytes(), 16 * KIB);
        assert_eq!(opened().bytes(), 64 * KIB);
    }

    #[test]
    fn it_closes_when_confirmations_slow_down() {
        let mut window = opened();
        for expected in [32, 16, 8, 8] {
            window.confirmed(KIB, window.bytes(), SLOW, QUICK);
            assert_eq!(window.bytes(), expected * KIB);
        }
    }

    #[test]
    fn a_few_keys_do_not_open_it_and_a_pause_closes_it() {
        let mut window = InputWindow::new(8 * KIB, 64 * KIB);
        (0..100).for_each(|_| window.confirmed(10, 20, QUICK, QUICK));
        assert_eq!(window.bytes(), 8 * KIB);
        let mut window = opened();
        window.confirmed(KIB, KIB, QUICK, QUICK);
        assert_eq!(window.bytes(), 8 * KIB);
    }

    #[test]
    fn what_nobody_feels_is_quick_and_a_repetition_says_nothing() {
        let mut window = InputWindow::new(8 * KIB, 64 * KIB);
        window.confirmed(KIB, 8 * KIB, Some(UNFELT), Some(Duration::from_micros(200)));
        assert_eq!(window.bytes(), 9 * KIB);
        window.confirmed(KIB, 8 * KIB, None, Some(Duration::from_micros(200)));
        assert_eq!(window.bytes(), 9 * KIB);
    }
}
