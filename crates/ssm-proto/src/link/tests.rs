//! Stage tests of the link.
