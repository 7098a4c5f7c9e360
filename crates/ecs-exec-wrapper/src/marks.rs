//! What the shell in the container tells about its commands: counted for the record, named for the recording.
//!
//! Pure. Never believed: a user can forge, suppress and repeat every mark, and a text is hostile like all remote text.

use cli_kit::printable;
use remote_script::{CommandMark, CommandText};

/// The marks of one session.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// None until the shell says that it marks its commands.
    count: Option<u64>,
    command_runs: bool,
}

/// What somebody should know of a mark.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A command began, or ended otherwise than with 0: what a reader of the recording should find.
    Label(String),
    /// The shell does not mark its commands.
    NotMarked,
}

impl Marks {
    /// Takes a mark.
    pub(crate) fn handle(&mut self, mark: &CommandMark) -> Option<Said> {
        match mark {
            CommandMark::On => {
                self.count.get_or_insert(0);
                None
            }
            CommandMark::Off => Some(Said::NotMarked),
            CommandMark::Began(text) => {
                self.command_runs = true;
                self.count = self.count.map(|count| count.saturating_add(1));
                Some(Said::Label(label(text)))
            }
            CommandMark::Ended(status) => {
                let ran = std::mem::take(&mut self.command_runs);
                (ran && *status != 0).then(|| Said::Label(format!("(ended with {status})")))
            }
        }
    }

    /// How many commands were marked; none if the shell marks none.
    pub(crate) fn count(&self) -> Option<u64> {
        self.count
    }
}

/// A command as a recording names it.
fn label(text: &CommandText) -> String {
    let Some(bytes) = &text.bytes else { return "(not in the shell's history)".to_owned() };
    let shown = printable(&String::from_utf8_lossy(bytes), bytes.len());
    if text.cut { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(bytes: &[u8], cut: bool) -> CommandMark {
        CommandMark::Began(CommandText { bytes: Some(bytes.to_vec()), cut })
    }

    fn label_of(mark: &CommandMark) -> Option<String> {
        match Marks::default().handle(mark) {
            Some(Said::Label(label)) => Some(label),
            _ => None,
        }
    }

    #[test]
    fn a_label_is_harmless_and_says_when_it_is_cut() {
        assert_eq!(label_of(&began(b" ls\ta\nb ", false)).unwrap(), "ls a b");
        assert_eq!(label_of(&began(b"echo \x1b[2J\xff", true)).unwrap(), "echo \\u{1b}[2J\u{fffd}…");
        let unknown = CommandMark::Began(CommandText { bytes: None, cut: false });
        assert_eq!(label_of(&unknown).unwrap(), "(not in the shell's history)");
    }

    #[test]
    fn commands_count_once_the_shell_says_that_it_marks() {
        let mut marks = Marks::default();
        marks.handle(&began(b"a", false));
        assert_eq!(marks.count(), None);
        marks.handle(&CommandMark::On);
        assert_eq!(marks.count(), Some(0));
        marks.handle(&began(b"a", false));
        marks.handle(&CommandMark::On);
        assert_eq!(marks.count(), Some(1));
    }

    #[test]
    fn an_end_is_told_of_a_command_that_failed() {
        let mut marks = Marks::default();
        assert_eq!(marks.handle(&CommandMark::Ended(1)), None, "no command ran");
        marks.handle(&began(b"a", false));
        assert_eq!(marks.handle(&CommandMark::Ended(1)), Some(Said::Label("(ended with 1)".to_owned())));
        assert_eq!(marks.handle(&CommandMark::Ended(1)), None, "told twice");
        marks.handle(&began(b"a", false));
        assert_eq!(marks.handle(&CommandMark::Ended(0)), None);
        assert_eq!(marks.handle(&CommandMark::Off), Some(Said::NotMarked));
    }
}
