//! The command text of one ExecuteCommand call.
//!
//! Owns what is said in it and in which order, and refuses what would not arrive as meant.
//! Never interpolates into the script.

use thiserror::Error;

use crate::marks::marking_shell;
use crate::nonce::Nonce;
use crate::quoting::quote;
use crate::script::script_text;

/// Names the variable that plants the Boundary session id into CloudTrail and the container.
pub const BOUNDARY_SESSION_ID_VARIABLE: &str = "BOUNDARY_SESSION_ID";

/// Limits the command text to 32 KiB.
///
/// AWS documents no limit for ExecuteCommand's `command`; this one is ours, far below Linux's 128 KiB for one
/// argument, so that an overlong command is refused before the session opens.
pub const MAX_COMMAND_LINE: usize = 32 * 1024;

/// Says what to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The user's shell of `/etc/passwd` as a login shell in the home folder.
    LoginShell,
    /// A program and its arguments, untouched by any shell, in the folder where the agent starts commands.
    ///
    /// `HOME`, `USER`, `LOGNAME` and `SHELL` are the user's, everything else is the agent's environment.
    Argv(Vec<String>),
}

/// Says what the program's three streams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The remote terminal.
    Terminal,
    /// Pipes, carried over the remote terminal.
    Pipes(PipeEncoding),
    /// The remote terminal, without the script: for images without `sh`. No mark comes, no exit code is ever known.
    ///
    /// The program runs as the agent's user, root. `Program::LoginShell` becomes `sh -l`.
    NoWrap,
}

/// Says how piped bytes cross the remote terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeEncoding {
    /// Base64 lines: every byte arrives, stdout and stderr stay apart, the program sees pipes.
    Base64,
    /// As given. The program sees a terminal; stdout and stderr are one; an input line above 4095 bytes is cut;
    /// 0x04 in the input ends it; the agent changes output that is not UTF-8 (it may hold back or drop up to three
    /// bytes and turns U+FFFD into 0xEF).
    None,
}

/// Holds everything that one command text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Ties marks and confirmation to this run.
    pub nonce: Nonce,
    /// What the program's streams are.
    pub mode: Mode,
    /// The user to become, by name; `root` without the script.
    pub user: String,
    /// Variables for the program, in this order.
    pub env: Vec<(String, String)>,
    /// The Boundary session id to plant, `s_…`.
    pub boundary_session_id: Option<String>,
    /// What to run.
    pub program: Program,
    /// Whether a login shell on the terminal is to mark the commands that are typed in it; a bash can.
    pub mark_commands: bool,
}

/// Says why no command text could be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// An argument or a value holds a NUL, which no process can be given.
    #[error("pass {name:?} on: it holds a NUL byte")]
    Nul {
        /// The variable, or the argument itself.
        name: String,
    },
    /// A variable's name is not `[A-Za-z_][A-Za-z0-9_]*`.
    #[error("set the variable {name:?}: not a valid name")]
    VariableName {
        /// The name.
        name: String,
    },
    /// A variable is given twice, or is the planted one.
    #[error("set the variable {name:?} twice")]
    VariableTwice {
        /// The name.
        name: String,
    },
    /// The Boundary session id has characters that ids do not have.
    #[error("plant {id:?}: not a Boundary session id")]
    BoundarySessionId {
        /// The id.
        id: String,
    },
    /// The user's name is empty, begins with `-`, or has characters that no user name has.
    #[error("become {user:?}: not a valid user name")]
    UserName {
        /// The name.
        user: String,
    },
    /// Without the script there is no way to become another user.
    #[error("become {user:?} without the remote script: only root is possible")]
    UserNeedsScript {
        /// The name.
        user: String,
    },
    /// The program's name is missing, empty, or would be read as an option or a variable.
    #[error("run {program:?}: not a valid program name")]
    ProgramName {
        /// The name.
        program: String,
    },
    /// The text is longer than `MAX_COMMAND_LINE`.
    #[error("send a command of {length} bytes: the limit is {MAX_COMMAND_LINE}")]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
}

impl Launch {
    /// Returns the command text for ExecuteCommand.
    ///
    /// `[env BOUNDARY_SESSION_ID=… NAME=VALUE …] sh -c SCRIPT ecs-exec NONCE MODE USER [ARGV…]`, quoted so that
    /// `split_like_agent` gives exactly these words. It begins with `env` when an id or a variable is given. With marks
    /// the login shell is one more constant text, `sh -c TEXT ecs-exec NONCE RC`, in the place of ARGV.
    ///
    /// # Errors
    /// See [`CommandLineError`]; nothing that was given is ever changed or left out.
    pub fn command_line(&self) -> Result<String, CommandLineError> {
        let words = self.words()?;
        let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        if line.len() > MAX_COMMAND_LINE {
            return Err(CommandLineError::TooLong { length: line.len() });
        }
        Ok(line)
    }

    fn words(&self) -> Result<Vec<String>, CommandLineError> {
        let mut words = self.assignments()?;
        if !words.is_empty() {
            words.insert(0, "env".to_owned());
        }
        check_user(&self.user)?;
        let argv = self.argv(!words.is_empty())?;
        let Some(mode) = mode_word(self.mode) else {
            words.extend(self.unwrapped(argv)?);
            return Ok(words);
        };
        let script = ["sh", "-c", script_text(), "ecs-exec", self.nonce.as_str(), mode, &self.user];
        words.extend(script.map(str::to_owned));
        words.extend(argv);
        Ok(words)
    }

    fn assignments(&self) -> Result<Vec<String>, CommandLineError> {
        let mut assignments = Vec::new();
        let mut names = Vec::new();
        if let Some(id) = &self.boundary_session_id {
            check_boundary_session_id(id)?;
            names.push(BOUNDARY_SESSION_ID_VARIABLE);
            assignments.push(format!("{BOUNDARY_SESSION_ID_VARIABLE}={id}"));
        }
        for (name, value) in &self.env {
            check_variable(name, value)?;
            if names.contains(&name.as_str()) {
                return Err(CommandLineError::VariableTwice { name: name.clone() });
            }
            names.push(name);
            assignments.push(format!("{name}={value}"));
        }
        Ok(assignments)
    }

    fn argv(&self, after_env: bool) -> Result<Vec<String>, CommandLineError> {
        let Program::Argv(argv) = &self.program else {
            let marked = self.mark_commands && self.mode == Mode::Terminal;
            return Ok(if marked { marking_shell(&self.nonce) } else { Vec::new() });
        };
        let program = argv.first().cloned().unwrap_or_default();
        let is_assignment = self.mode == Mode::NoWrap && after_env && program.contains('=');
        if program.is_empty() || program.starts_with('-') || is_assignment {
            return Err(CommandLineError::ProgramName { program });
        }
        if let Some(argument) = argv.iter().find(|argument| argument.contains('\0')) {
            return Err(CommandLineError::Nul { name: argument.clone() });
        }
        Ok(argv.clone())
    }

    fn unwrapped(&self, argv: Vec<String>) -> Result<Vec<String>, CommandLineError> {
        if self.user != "root" {
            return Err(CommandLineError::UserNeedsScript { user: self.user.clone() });
        }
        if argv.is_empty() {
            return Ok(vec!["sh".to_owned(), "-l".to_owned()]);
        }
        Ok(argv)
    }
}

/// Returns the script's word for a mode, none if the script is left out.
fn mode_word(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Terminal => Some("terminal"),
        Mode::Pipes(PipeEncoding::Base64) => Some("base64"),
        Mode::Pipes(PipeEncoding::None) => Some("plain"),
        Mode::NoWrap => None,
    }
}

fn check_user(user: &str) -> Result<(), CommandLineError> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || ":/*?[]".contains(c);
    if user.is_empty() || user.starts_with(['-', '+']) || user.contains(bad) {
        return Err(CommandLineError::UserName { user: user.to_owned() });
    }
    Ok(())
}

fn check_boundary_session_id(id: &str) -> Result<(), CommandLineError> {
    let rest = id.strip_prefix("s_").unwrap_or_default();
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(CommandLineError::BoundarySessionId { id: id.to_owned() });
    }
    Ok(())
}

fn check_variable(name: &str, value: &str) -> Result<(), CommandLineError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit_first = name.starts_with(|first: char| first.is_ascii_digit());
    if name.is_empty() || digit_first || !name.bytes().all(letter) {
        return Err(CommandLineError::VariableName { name: name.to_owned() });
    }
    if value.contains('\0') {
        return Err(CommandLineError::Nul { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quoting::split_like_agent;

    fn launch(mode: Mode, argv: &[&str]) -> Launch {
        let program = if argv.is_empty() {
            Program::LoginShell
        } else {
            Program::Argv(argv.iter().map(|word| (*word).to_owned()).collect())
        };
        Launch {
            nonce: Nonce::new([7; 16]),
            mode,
            user: "root".to_owned(),
            env: Vec::new(),
            boundary_session_id: None,
            program,
            mark_commands: false,
        }
    }

    fn words(launch: &Launch) -> Vec<String> {
        split_like_agent(&launch.command_line().expect("valid")).expect("splits")
    }

    #[test]
    fn the_planted_id_comes_first() {
        let mut launch = launch(Mode::Terminal, &["ls", "a b"]);
        launch.boundary_session_id = Some("s_1234567890".to_owned());
        launch.env = vec![("LANG".to_owned(), "it's \"C\"\n".to_owned())];
        let line = launch.command_line().expect("valid");
        assert!(line.starts_with("env BOUNDARY_SESSION_ID=s_1234567890 "), "{line}");
        let nonce = "07".repeat(16);
        let expected = [
            "env",
            "BOUNDARY_SESSION_ID=s_1234567890",
            "LANG=it's \"C\"\n",
            "sh",
            "-c",
            script_text(),
            "ecs-exec",
            &nonce,
            "terminal",
            "root",
            "ls",
            "a b",
        ];
        assert_eq!(words(&launch), expected);
    }

    #[test]
    fn without_variables_there_is_no_env() {
        assert_eq!(words(&launch(Mode::Pipes(PipeEncoding::Base64), &[]))[0], "sh");
        assert_eq!(words(&launch(Mode::NoWrap, &["/app", "-v", "a=b"])), ["/app", "-v", "a=b"]);
        assert_eq!(words(&launch(Mode::NoWrap, &[])), ["sh", "-l"]);
    }

    #[test]
    fn only_a_login_shell_on_a_terminal_marks() {
        for (mode, argv, marks) in [
            (Mode::Terminal, &[][..], true),
            (Mode::Terminal, &["bash"], false),
            (Mode::Pipes(PipeEncoding::Base64), &[], false),
            (Mode::NoWrap, &[], false),
        ] {
            let mut launch = launch(mode, argv);
            let plain = words(&launch);
            launch.mark_commands = true;
            assert_eq!(words(&launch) != plain, marks, "{mode:?} {argv:?}");
            assert!(words(&launch).starts_with(&plain));
        }
    }

    #[test]
    fn without_the_script_only_root_is_possible() {
        let mut launch = launch(Mode::NoWrap, &[]);
        launch.user = "sre".to_owned();
        let refused = CommandLineError::UserNeedsScript { user: "sre".to_owned() };
        assert_eq!(launch.command_line(), Err(refused));
    }

    #[test]
    fn names_that_would_be_read_as_something_else_are_refused() {
        for program in ["", "-x", "a=b"] {
            let mut launch = launch(Mode::NoWrap, &[program]);
            launch.env = vec![("A".to_owned(), String::new())];
            let refused = CommandLineError::ProgramName { program: program.to_owned() };
            assert_eq!(launch.command_line(), Err(refused));
        }
        assert!(launch(Mode::Terminal, &["a=b"]).command_line().is_ok());
        for user in ["", "-c", "a b", "a:b", "*", "a\n", "../x"] {
            let mut launch = launch(Mode::Terminal, &[]);
            launch.user = user.to_owned();
            let refused = CommandLineError::UserName { user: user.to_owned() };
            assert_eq!(launch.command_line(), Err(refused));
        }
    }

    #[test]
    fn variables_are_checked() {
        for name in ["", "1A", "A-B", "A=B", "\u{e4}"] {
            let mut launch = launch(Mode::Terminal, &[]);
            launch.env = vec![(name.to_owned(), "x".to_owned())];
            let refused = CommandLineError::VariableName { name: name.to_owned() };
            assert_eq!(launch.command_line(), Err(refused));
        }
        let mut launch = launch(Mode::Terminal, &[]);
        launch.boundary_session_id = Some("s_1".to_owned());
        let name = BOUNDARY_SESSION_ID_VARIABLE.to_owned();
        launch.env = vec![(name.clone(), "s_2".to_owned())];
        assert_eq!(launch.command_line(), Err(CommandLineError::VariableTwice { name }));
    }

    #[test]
    fn forged_boundary_session_ids_are_refused() {
        for id in ["", "s_", "1234", "s_1 X=1", "s_1\n"] {
            let mut launch = launch(Mode::Terminal, &[]);
            launch.boundary_session_id = Some(id.to_owned());
            let refused = CommandLineError::BoundarySessionId { id: id.to_owned() };
            assert_eq!(launch.command_line(), Err(refused));
        }
    }

    #[test]
    fn nul_and_overlong_commands_are_refused() {
        let nul = launch(Mode::Terminal, &["a", "b\0"]).command_line();
        assert_eq!(nul, Err(CommandLineError::Nul { name: "b\0".to_owned() }));
        let long = launch(Mode::Terminal, &["a", &"x".repeat(MAX_COMMAND_LINE)]).command_line();
        assert!(matches!(long, Err(CommandLineError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn argv_and_values_arrive_untouched(
            argv in proptest::collection::vec("[^\\x00]{0,20}", 0..6),
            value in "[^\\x00]{0,20}",
        ) {
            let mut launch = launch(Mode::Terminal, &["p"]);
            launch.env = vec![("V".to_owned(), value.clone())];
            let mut all = vec!["p".to_owned()];
            all.extend(argv);
            launch.program = Program::Argv(all.clone());
            let words = words(&launch);
            prop_assert_eq!(&words[1], &format!("V={value}"));
            prop_assert_eq!(&words[words.len() - all.len()..], &all[..]);
        }
    }
}
