//! What runs inside the container, and its traces on the byte stream.
//!
//! This crate owns the remote script, the command line that carries it, the marks it prints
//! (READY and exit, and on demand a bash's commands), the confirmation it waits for, and the framing of piped input and output.
//! It never opens a socket, a terminal or a file, and knows no clock.
//!
//! ```text
//! Launch ─ command_line ─► text for ExecuteCommand ─ split_like_agent ─► argv in the container
//! remote bytes ─ Scanner ─► Preface | Ready | Output | Command | Exit        Output ─ PipeDecoder ─► stdout, stderr
//! local stdin ─ InputEncoder ─► remote terminal                    Exit ─ confirmation ─► remote terminal
//! ```

mod command_line;
mod marks;
mod nonce;
mod pipe_input;
mod pipe_output;
mod quoting;
mod scanner;
mod script;

pub use command_line::{BOUNDARY_SESSION_ID_VARIABLE, CommandLineError, Launch, MAX_COMMAND_LINE, Mode, PipeEncoding, Program};
pub use marks::{CommandMark, CommandText};
pub use nonce::Nonce;
pub use pipe_input::{InputEncoder, MAX_LINE, confirmation};
pub use pipe_output::{PipeDecoder, PipeItem, Stream};
pub use quoting::{SplitError, split_like_agent};
pub use scanner::{Exit, Ready, Refusal, ScanItem, Scanner};
pub use script::{SCRIPT_VERSION, script_text};
