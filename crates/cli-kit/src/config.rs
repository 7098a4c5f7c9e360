//! Configuration files: the user's over the machine's, unknown keys refused, each problem with its file and line.
//!
//! Owns finding and parsing. Which flag or variable wins over a file is the program's (clap knows where a value came from).

use serde::de::DeserializeOwned;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is there but cannot be read.
    #[error("failed to read the configuration `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is no TOML, or has a key or value that the program does not know.
    #[error("failed to understand the configuration `{}`: {}", .0.display(), .1.to_string().trim_end())]
    Parse(PathBuf, Box<toml::de::Error>),
}

/// A program's configuration files, parsed: the first that has a value wins.
#[derive(Debug)]
pub struct FileLayers<T> {
    layers: Vec<(PathBuf, T)>,
}

impl<T: DeserializeOwned> FileLayers<T> {
    /// Reads `$XDG_CONFIG_HOME/<program>/config.toml` (else `~/.config/…`), then `/etc/<program>/config.toml`.
    /// Files that do not exist are no error.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that is there but cannot be read or understood.
    pub fn load(program: &str) -> Result<Self, ConfigError> {
        Self::load_from(&standard_paths(program))
    }

    /// Reads these files, first one first.
    ///
    /// # Errors
    /// As [`FileLayers::load`].
    pub fn load_from(paths: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut layers = Vec::new();
        for path in paths {
            if let Some(parsed) = parse_file(path)? {
                layers.push((path.clone(), parsed));
            }
        }
        Ok(Self { layers })
    }

    /// The first value that a layer has, and the file that has it.
    pub fn origin<V>(&self, pick: impl Fn(&T) -> Option<V>) -> Option<(&Path, V)> {
        self.layers.iter().find_map(|(path, layer)| pick(layer).map(|value| (path.as_path(), value)))
    }

    /// The first value that a layer has.
    pub fn value<V>(&self, pick: impl Fn(&T) -> Option<V>) -> Option<V> {
        self.layers.iter().find_map(|(_, layer)| pick(layer))
    }
}

fn parse_file<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(ConfigError::Read(path.to_owned(), error)),
    };
    toml::from_str(&text).map(Some).map_err(|error| ConfigError::Parse(path.to_owned(), Box::new(error)))
}

fn standard_paths(program: &str) -> Vec<PathBuf> {
    let home = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".config")));
    let file = |folder: PathBuf| folder.join(program).join("config.toml");
    home.into_iter().chain([PathBuf::from("/etc")]).map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        user: Option<String>,
        container: Option<String>,
    }

    fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_first_layer_that_has_the_value_wins() {
        let folder = tempfile::tempdir().unwrap();
        let user = write(&folder, "user.toml", "user = 'sre'");
        let machine = write(&folder, "machine.toml", "user = 'root'\ncontainer = 'rosa-boundary'");
        let layers = FileLayers::<Sample>::load_from(&[user, folder.path().join("absent.toml"), machine]).unwrap();
        assert_eq!(layers.value(|l| l.user.clone()).as_deref(), Some("sre"));
        assert_eq!(layers.value(|l| l.container.clone()).as_deref(), Some("rosa-boundary"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, "user.toml", "usr = 'sre'");
        let text = FileLayers::<Sample>::load_from(&[path]).unwrap_err().to_string();
        assert!(text.contains("user.toml") && text.contains("usr"), "{text}");
    }
}
