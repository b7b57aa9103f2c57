//! Where things lie that can be made again.

use std::path::PathBuf;

/// Of imported images and of code for cards: the user's cache, never the folder that holds the archives.
pub(crate) fn folder() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || Some(PathBuf::from(named("HOME")?).join(".cache"));
    let cache = named("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    cache.unwrap_or_else(std::env::temp_dir).join("nas-lid")
}
