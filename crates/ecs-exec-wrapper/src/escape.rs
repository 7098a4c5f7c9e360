//! The escapes of the terminal: `~.` and its kin at the beginning of a line.
//!
//! Pure: eats what was typed, hands out what goes to the remote side and what was asked of us. Conduct as in ssh: an escape
//! counts only right after a line end (or as the very first), and `~~` sends one.

/// What the user asked of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// `~.`: end the session.
    Disconnect,
    /// `~?`: say what there is.
    Help,
    /// `~s`: say how the session is.
    Status,
    /// `~^Z`: suspend us.
    Suspend,
}

/// Follows the typed bytes.
#[derive(Debug)]
pub(crate) struct Escapes {
    character: Option<u8>,
    at_line_start: bool,
    pending: bool,
}

impl Escapes {
    /// With this escape character, or none at all.
    pub(crate) fn new(character: Option<u8>) -> Self {
        Self { character, at_line_start: true, pending: false }
    }

    /// Eats typed bytes: those for the remote side are appended to `remote`, commands are returned in their order.
    pub(crate) fn feed(&mut self, typed: &[u8], remote: &mut Vec<u8>) -> Vec<Command> {
        let Some(character) = self.character else {
            remote.extend_from_slice(typed);
            return Vec::new();
        };
        let mut commands = Vec::new();
        for &byte in typed {
            if std::mem::take(&mut self.pending) {
                if let Some(command) = command(byte) {
                    commands.push(command);
                    self.at_line_start = true;
                    continue;
                }
                remote.push(character);
                if byte == character {
                    self.at_line_start = false;
                    continue;
                }
            } else if byte == character && self.at_line_start {
                self.pending = true;
                continue;
            }
            remote.push(byte);
            self.at_line_start = matches!(byte, b'\r' | b'\n');
        }
        commands
    }
}

fn command(byte: u8) -> Option<Command> {
    match byte {
        b'.' => Some(Command::Disconnect),
        b'?' => Some(Command::Help),
        b's' => Some(Command::Status),
        0x1a => Some(Command::Suspend),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(typed: &[&[u8]]) -> (Vec<u8>, Vec<Command>) {
        let mut escapes = Escapes::new(Some(b'~'));
        let (mut remote, mut commands) = (Vec::new(), Vec::new());
        for bytes in typed {
            commands.extend(escapes.feed(bytes, &mut remote));
        }
        (remote, commands)
    }

    #[test]
    fn an_escape_counts_only_at_the_beginning_of_a_line() {
        assert_eq!(fed(&[b"~."]), (vec![], vec![Command::Disconnect]));
        assert_eq!(fed(&[b"ls\r~."]), (b"ls\r".to_vec(), vec![Command::Disconnect]));
        assert_eq!(fed(&[b"a~."]), (b"a~.".to_vec(), vec![]));
    }

    #[test]
    fn it_may_come_key_by_key() {
        assert_eq!(fed(&[b"\r", b"~", b"?"]), (b"\r".to_vec(), vec![Command::Help]));
    }

    #[test]
    fn two_tildes_send_one_and_an_unknown_escape_passes() {
        assert_eq!(fed(&[b"~~/bin"]), (b"~/bin".to_vec(), vec![]));
        assert_eq!(fed(&[b"~x"]), (b"~x".to_vec(), vec![]));
        assert_eq!(fed(&[b"~\r~s"]), (b"~\r".to_vec(), vec![Command::Status]));
    }

    #[test]
    fn suspend_and_several_in_one_read() {
        assert_eq!(fed(&[b"~\x1a~s"]), (vec![], vec![Command::Suspend, Command::Status]));
    }

    #[test]
    fn none_passes_everything() {
        let mut remote = Vec::new();
        assert!(Escapes::new(None).feed(b"~.", &mut remote).is_empty());
        assert_eq!(remote, b"~.");
    }
}
