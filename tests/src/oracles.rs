//! What the scripts of `oracles/` have fetched into a cache: programs that are not ours.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

/// The folder that a script has filled; `make oracles` runs them all.
///
/// # Errors
/// When something is missing; says which script fetches it.
pub fn folder(script: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles").join(script);
    let found = Command::new(&script).arg("--check").output()?;
    ensure!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr).trim());
    Ok(PathBuf::from(String::from_utf8(found.stdout)?.trim()))
}
