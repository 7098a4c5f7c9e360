//! The line of status: where the replay stands, and which keys there are.
//!
//! Owns its words and what is left out where they do not fit. None of it is a recorded text.

use std::time::Duration;

/// Says what the line tells.
pub(super) struct Status {
    pub(super) place: Duration,
    pub(super) length: Duration,
    pub(super) speed: f64,
    pub(super) is_paused: bool,
    /// Whether everything was shown.
    pub(super) is_over: bool,
}

impl Status {
    /// The line, in no more columns than these; the keys go first, then the speed, then the length.
    pub(super) fn line(&self, columns: usize) -> String {
        let (sign, said) = match (self.is_over, self.is_paused) {
            (true, _) => ("■ ", "end — q quits, ← goes back"),
            (false, true) => ("‖ ", "space plays · ←→ seek · +- speed · q quit"),
            (false, false) => ("▶ ", "space pause · ←→ seek · +- speed · q quit"),
        };
        let place = clock(self.place, self.length);
        let both = format!("{sign}{place} / {}", clock(self.length, self.length));
        let state = if self.is_paused && !self.is_over { "paused" } else { "" };
        let speed = format!("{both}  {}×{}{state}", self.speed, if state.is_empty() { "" } else { "  " });
        let mut lines = vec![place.clone(), format!("{sign}{place}"), both.clone(), speed.clone()];
        if self.is_over {
            lines.extend([format!("{sign}end"), format!("{both}  end"), format!("{sign}{said}"), format!("{both}  {said}")]);
        } else {
            // Whole keys only, and the way out first: half of one would be another.
            let keys: Vec<&str> = said.split(" · ").collect();
            let (quit, others) = keys.split_last().unwrap_or((&"", &[]));
            lines.extend((0..keys.len()).map(|count| format!("{speed}  {}", [&others[..count], &[quit]].concat().join(" · "))));
        }
        // The last one that fits says most of what matters.
        lines.into_iter().rev().find(|line| line.chars().count() <= columns).unwrap_or_default()
    }
}

/// `mm:ss`, or `h:mm:ss` in a recording of an hour and more.
fn clock(at: Duration, length: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if length.as_secs() < 3600 { format!("{minutes:02}:{rest:02}") } else { format!("{hours}:{minutes:02}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let seconds = Duration::from_secs;
        Status { place: seconds(12), length: seconds(220), speed: 1.0, is_paused: false, is_over: false }
    }

    #[test]
    fn it_says_where_it_stands_and_which_keys_there_are() {
        assert_eq!(status().line(80), "▶ 00:12 / 03:40  1×  space pause · ←→ seek · +- speed · q quit");
        let paused = Status { is_paused: true, speed: 0.5, ..status() };
        assert_eq!(paused.line(80), "‖ 00:12 / 03:40  0.5×  paused  space plays · ←→ seek · +- speed · q quit");
        let over = Status { is_over: true, is_paused: true, ..status() };
        assert_eq!(over.line(80), "■ 00:12 / 03:40  end — q quits, ← goes back");
        let long = Status { length: Duration::from_hours(2), ..status() };
        assert!(long.line(80).starts_with("▶ 0:00:12 / 2:00:00  1×"));
    }

    #[test]
    fn it_fits_at_every_width_and_says_more_where_there_is_more_room() {
        for it in [status(), Status { is_paused: true, ..status() }, Status { is_over: true, ..status() }] {
            let mut before = 0;
            for columns in 0..100 {
                let length = it.line(columns).chars().count();
                assert!(length <= columns && length >= before, "{columns}: {}", it.line(columns));
                before = length;
            }
        }
        assert_eq!(status().line(45), "▶ 00:12 / 03:40  1×  space pause · q quit");
        assert_eq!(status().line(30), "▶ 00:12 / 03:40  1×  q quit");
        assert_eq!(status().line(16), "▶ 00:12 / 03:40");
        assert_eq!(status().line(4), "");
    }
}
