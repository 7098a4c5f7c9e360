//! Which names a file in a bundle may have.
//!
//! Owns the rule that a bundle unpacks to the same files on every system and never outside its folder: relative, plain ASCII,
//! no two names that differ in case alone, none that is a folder of another.

use crate::hash::Sha256;
use std::collections::BTreeMap;

/// The longest path, bytes: what a ustar header can hold with some room to split.
pub(crate) const PATH_MAX: usize = 200;

/// The longest part of a path, bytes: ustar's name field.
pub(crate) const PART_MAX: usize = 100;

/// The longest name that [`part_of`] gives, bytes: an ending still fits.
const PART_OF_MAX: usize = 80;

/// How a name begins that is not the text itself; no device is called so.
const RENAMED: &str = "x-";

/// How much of a text a new name keeps, bytes: with its beginning and its hash it stays within [`PART_OF_MAX`].
const KEPT_MAX: usize = 40;

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The name of the manifest's signature.
pub const MANIFEST_SIGNATURE: &str = "manifest.sig";
/// The anchor's name.
pub const ANCHOR: &str = "anchor.json";
/// The name of the anchor's signature.
pub const ANCHOR_SIGNATURE: &str = "anchor.sig";

/// The files that no manifest lists.
pub(crate) const OWN: [&str; 4] = [MANIFEST, MANIFEST_SIGNATURE, ANCHOR, ANCHOR_SIGNATURE];

/// Why a name is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or too much.
    #[error("a path has 1 to 200 characters, each part at most 100")]
    Length,
    /// It begins or ends with a slash, or has two in a row.
    #[error("a path is relative and has no empty part")]
    EmptyPart,
    /// A part begins or ends with a dot, so it could be `.`, `..` or hidden.
    #[error("no part of a path begins or ends with a dot")]
    Dot,
    /// Something other than letters, digits and `._=@+-`.
    #[error("a path has only ASCII letters, digits and . _ = @ + - between its slashes")]
    Character,
    /// A device's name on Windows.
    #[error("a part of the path is a device's name on some systems")]
    Device,
    /// The bundle's own file.
    #[error("the name belongs to the bundle itself")]
    Reserved,
    /// The same name, or one that differs in case alone, is there.
    #[error("the name is taken, or differs from another in case alone")]
    Taken,
    /// A file would also be a folder.
    #[error("the path is a file and also a folder of another path")]
    FileAndFolder,
}

/// Checks a path by itself.
///
/// # Errors
/// [`NameError`] naming the rule that it breaks.
pub fn check(path: &str) -> Result<(), NameError> {
    if path.is_empty() || path.len() > PATH_MAX {
        return Err(NameError::Length);
    }
    path.split('/').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), NameError> {
    if part.is_empty() {
        return Err(NameError::EmptyPart);
    }
    if part.len() > PART_MAX {
        return Err(NameError::Length);
    }
    if !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=@+-".contains(&b)) {
        return Err(NameError::Character);
    }
    if part.starts_with('.') || part.ends_with('.') {
        return Err(NameError::Dot);
    }
    if is_device(part) { Err(NameError::Device) } else { Ok(()) }
}

/// Names a file after a text of others, such as an id: the text itself where it is a name on every system, else what it can
/// keep of it and a hash. Two texts never get the same name, not even one that differs in case alone.
pub fn part_of(text: &str) -> String {
    let is_name = text.len() <= PART_OF_MAX && check_part(text).is_ok() && !text.bytes().any(|b| b.is_ascii_uppercase());
    if is_name && !text.starts_with(RENAMED) {
        return text.to_owned();
    }
    let fits = |c: &char| c.is_ascii_alphanumeric() || "_=@+-".contains(*c);
    let kept: String = text.chars().filter(fits).take(KEPT_MAX).collect();
    let sha256 = Sha256::of(text.as_bytes()).to_string();
    format!("{RENAMED}{}-{}", kept.to_ascii_lowercase(), &sha256[..32])
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
    match stem.as_str() {
        "con" | "prn" | "aux" | "nul" => true,
        stem => {
            stem.len() == 4
                && (stem.starts_with("com") || stem.starts_with("lpt"))
                && stem.ends_with(|c: char| c.is_ascii_digit())
        }
    }
}

/// The names of one bundle's files so far, folded to lower case.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Kind>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    File,
    /// A folder, with its name as it was first spelt.
    Folder(String),
}

impl Names {
    /// Takes a listed file's name.
    pub(crate) fn take(&mut self, path: &str) -> Result<(), NameError> {
        check(path)?;
        if OWN.iter().any(|own| first_part(path).eq_ignore_ascii_case(own)) {
            return Err(NameError::Reserved);
        }
        self.check_free(path)?;
        for folder in folders(path) {
            self.0.entry(folder.to_ascii_lowercase()).or_insert_with(|| Kind::Folder(folder.to_owned()));
        }
        self.0.insert(path.to_ascii_lowercase(), Kind::File);
        Ok(())
    }

    fn check_free(&self, path: &str) -> Result<(), NameError> {
        for folder in folders(path) {
            match self.0.get(&folder.to_ascii_lowercase()) {
                Some(Kind::File) => return Err(NameError::FileAndFolder),
                Some(Kind::Folder(spelt)) if spelt != folder => return Err(NameError::Taken),
                Some(Kind::Folder(_)) | None => {}
            }
        }
        match self.0.get(&path.to_ascii_lowercase()) {
            Some(Kind::File) => Err(NameError::Taken),
            Some(Kind::Folder(_)) => Err(NameError::FileAndFolder),
            None => Ok(()),
        }
    }
}

fn first_part(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// Each folder above a path, the uppermost first.
pub(crate) fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_paths_pass() {
        for path in ["a", "report.html", "tables/date=2026-01-01/sessions.csv", "t/user@example.cast.gz", "console/nullable.txt"]
        {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn each_way_out_is_refused() {
        for (path, error) in [
            ("", NameError::Length),
            ("/etc/passwd", NameError::EmptyPart),
            ("a//b", NameError::EmptyPart),
            ("a/", NameError::EmptyPart),
            ("../a", NameError::Dot),
            ("a/../b", NameError::Dot),
            ("./a", NameError::Dot),
            ("a.", NameError::Dot),
            (".hidden", NameError::Dot),
            ("a\\..\\b", NameError::Character),
            ("C:a", NameError::Character),
            ("a\0", NameError::Character),
            ("a b", NameError::Character),
            ("\u{ff0e}\u{ff0e}/a", NameError::Character),
            ("x/NUL.txt", NameError::Device),
            ("com1", NameError::Device),
        ] {
            assert_eq!(check(path), Err(error), "{path:?}");
        }
        assert_eq!(check(&"a".repeat(101)), Err(NameError::Length));
        assert_eq!(check(&"a/".repeat(101)), Err(NameError::Length));
    }

    #[test]
    fn a_file_can_be_named_after_any_text() {
        let mut names = Names::default();
        let long = "a".repeat(500);
        let texts = [
            "ecs-execute-command-0123456789abcdefghijklmnop",
            "ops,alice-0123456789abcdefg",
            ".alice-0123456789abcdefg",
            "con.smith-0123456789abcdefg",
            "Alice-0123456789abcdefg",
            "alice-0123456789abcdefg",
            "../../etc/passwd",
            "",
            "x-alice-0123456789abcdefg",
            "x-opsalice-0123456789abcdefg-0123456789abcdef0123456789abcdef",
            "\u{202e}\u{1b}[2J",
            &long,
        ];
        for text in texts {
            let part = part_of(text);
            assert!(part.len() <= PART_OF_MAX, "{part}");
            assert_eq!(names.take(&format!("transcripts/{part}.txt")), Ok(()), "{text:?} gave {part:?}");
        }
        assert_eq!(part_of(texts[0]), texts[0]);
        assert_eq!(
            part_of(texts[1]),
            format!("x-opsalice-0123456789abcdefg-{}", &Sha256::of(texts[1].as_bytes()).to_string()[..32])
        );
    }

    #[test]
    fn names_that_collide_somewhere_are_refused() {
        let mut names = Names::default();
        names.take("Tables/a.csv").unwrap();
        assert_eq!(names.take("Tables/A.csv"), Err(NameError::Taken));
        assert_eq!(names.take("tables/b.csv"), Err(NameError::Taken));
        assert_eq!(names.take("Tables"), Err(NameError::FileAndFolder));
        assert_eq!(names.take("Tables/a.csv/b"), Err(NameError::FileAndFolder));
        assert_eq!(names.take("Manifest.JSON"), Err(NameError::Reserved));
        assert_eq!(names.take("manifest.sig/x"), Err(NameError::Reserved));
        assert_eq!(names.take("Tables/b.csv"), Ok(()));
    }
}
