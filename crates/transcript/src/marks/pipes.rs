//! A piped session's stdout and stderr, out of the lines that carried them.

use remote_script::{PipeDecoder, PipeItem, Stream};
use std::fmt;

/// Holds one piece of what a program wrote into its pipes.
#[derive(Clone, PartialEq, Eq)]
pub enum Piped {
    /// To its standard output.
    Stdout(bytes::Bytes),
    /// To its standard error.
    Stderr(bytes::Bytes),
    /// A line that is no frame: hostile, and worth a look.
    Garbage(bytes::Bytes),
}

impl fmt::Debug for Piped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Stdout(bytes) => ("Stdout", bytes),
            Self::Stderr(bytes) => ("Stderr", bytes),
            Self::Garbage(bytes) => ("Garbage", bytes),
        };
        write!(f, "{name}({} bytes)", bytes.len())
    }
}

/// Decodes the output of a piped session, over any split.
#[derive(Debug, Clone, Default)]
pub struct Pipes {
    decoder: PipeDecoder,
}

impl Pipes {
    /// Makes a decoder at the start of the output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of [`super::Item::Output`]. CRs that `script` doubled do not matter.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(Piped)) {
        for piece in bytes.split(|&byte| byte == b'\r').filter(|piece| !piece.is_empty()) {
            self.decoder.feed(piece, &mut |item| out(item.into()));
        }
    }

    /// Ends the output.
    pub fn finish(mut self, out: &mut dyn FnMut(Piped)) {
        self.decoder.finish(&mut |item| out(item.into()));
    }
}

impl From<PipeItem> for Piped {
    fn from(item: PipeItem) -> Self {
        match item {
            PipeItem::Data(Stream::Stdout, bytes) => Self::Stdout(bytes),
            PipeItem::Data(Stream::Stderr, bytes) => Self::Stderr(bytes),
            PipeItem::Garbage(bytes) => Self::Garbage(bytes),
        }
    }
}
