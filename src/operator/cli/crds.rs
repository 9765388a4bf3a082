//! `firstline crds`: the resource definitions, to the terminal or into a folder.

use std::{fs, io, path::PathBuf};

use clap::Args;
use thiserror::Error;

use super::{
    exit::{Exit, Failure},
    output::Output,
};

/// Flags of `firstline crds`.
#[derive(Debug, Clone, Args)]
pub struct CrdsArgs {
    /// Write one file per kind into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Why the definitions were not written.
#[derive(Debug, Error)]
pub enum CrdsError {
    /// A file or folder.
    #[error("writing {}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A definition has no YAML form.
    #[error(transparent)]
    Manifest(#[from] api::ManifestError),
}

/// Prints or writes the definitions.
///
/// # Errors
/// When they cannot be written.
pub fn crds(args: &CrdsArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let manifests = api::manifests().map_err(CrdsError::from)?;
    let Some(folder) = &args.dir else {
        for (_, text) in &manifests {
            // The files begin with a comment; the separator makes them one stream.
            output.text("---\n")?;
            output.text(text)?;
        }
        return Ok(Exit::Done);
    };
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |error| CrdsError::Write { path, error }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for (name, text) in &manifests {
        let path = folder.join(name);
        fs::write(&path, text).map_err(failed(&path))?;
        output.say(format!("wrote {}", path.display()))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::{super::fixtures::printed, *};

    #[tokio::test]
    async fn the_stream_and_the_folder_hold_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("crds");
        printed(async |output| assert_eq!(crds(&CrdsArgs { dir: Some(dir.clone()) }, output).unwrap(), Exit::Done))
            .await;
        let stream =
            printed(async |output| assert_eq!(crds(&CrdsArgs { dir: None }, output).unwrap(), Exit::Done)).await;
        let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), api::manifests().unwrap().len());
        for file in files {
            assert!(stream.contains(&fs::read_to_string(&file).unwrap()), "{}", file.display());
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let dir = file.path().join("crds");
        let (mut results, mut progress) = (Vec::new(), Vec::new());
        let failure =
            crds(&CrdsArgs { dir: Some(dir.clone()) }, &mut Output::new(&mut results, &mut progress)).unwrap_err();
        assert!(failure.to_string().starts_with(&format!("writing {}: ", dir.display())), "{failure}");
    }
}
