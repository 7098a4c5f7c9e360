//! What we say to the user while the session is not over: one line each, to stderr, in a form that fits the terminal's state.

use std::io::Write;

/// Our name in front of each line.
const NAME: &str = "ecs-exec-wrapper";

/// Says things, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Say {
    /// Errors only.
    pub(crate) quiet: bool,
}

#[expect(clippy::unused_self, reason = "whoever may speak holds the voice, also where it does not depend on `quiet`")]
impl Say {
    /// A status line; silent under `--quiet`.
    pub(crate) fn status(self, text: &str) {
        if !self.quiet {
            line(&format!("{NAME}: {text}\n"));
        }
    }

    /// Something that must be known, also under `--quiet`.
    pub(crate) fn important(self, text: &str) {
        line(&format!("{NAME}: {text}\n"));
    }

    /// Shows a text in the terminal's title; the title before the first one is kept by the terminal.
    pub(crate) fn title(self, text: &str, first: bool) {
        let keep = if first { "\u{1b}[22;2t" } else { "" };
        line(&format!("{keep}\u{1b}]2;{NAME}: {text}\u{7}"));
    }

    /// Brings back the title that was there before the first [`Say::title`].
    pub(crate) fn title_back(self) {
        line("\u{1b}[23;2t");
    }

    /// A line while the terminal is raw: it ends a line that may have been begun, and leaves the cursor at the left.
    pub(crate) fn in_raw(self, text: &str) {
        line(&format!("\r\n[{NAME}: {}]\r\n", text.replace('\n', "\r\n")));
    }
}

fn line(text: &str) {
    // Nobody to tell it to if stderr is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
