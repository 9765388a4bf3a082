//! The manifests of a commit, read from the object store of a bare repository.

use std::path::Path;

use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryOpenFlags, TreeEntry};

use super::{Collector, Name, Tree, TreeBudgets, TreeError, join, judge_name};

/// The modes of Git that are neither a folder nor a plain file.
const SYMLINK: i32 = 0o120_000;

/// Reads the manifests below `path` (a folder or one file, `./` for all) of a commit (40 hex digits).
///
/// Blocks; 10,000 files take about 60 ms.
///
/// # Errors
/// When there is no such path, the budgets do not suffice, or the mirror is damaged.
pub fn read_commit(mirror: &Path, commit: &str, path: &str, budgets: TreeBudgets) -> Result<Tree, TreeError> {
    crate::fetch::apply_libgit2_options()
        .map_err(|error| TreeError::Unreadable { path: mirror.display().to_string(), message: error.message })?;
    let unreadable = |path: &str, error: &git2::Error| TreeError::Unreadable {
        path: path.to_owned(),
        message: error.message().to_owned(),
    };
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH;
    let repository = Repository::open_ext(mirror, flags, std::iter::empty::<&str>())
        .map_err(|error| unreadable(&mirror.display().to_string(), &error))?;
    let root = Oid::from_str(commit)
        .and_then(|id| repository.find_commit(id))
        .and_then(|commit| commit.tree())
        .map_err(|error| unreadable(&format!("commit {commit}"), &error))?;

    let path = normal(path)?;
    let mut reader = Reader { repository: &repository, collector: Collector::new(budgets) };
    if path.is_empty() {
        reader.folder(&root, "", 0)?;
        return Ok(reader.collector.into_tree());
    }
    match root.get_path(Path::new(&path)) {
        Ok(entry) => reader.entry(&entry, &path, 0)?,
        Err(error) if error.code() == ErrorCode::NotFound => {
            return Err(TreeError::PathNotFound { root: format!("commit {commit}"), path });
        }
        Err(error) => return Err(unreadable(&path, &error)),
    }
    Ok(reader.collector.into_tree())
}

/// `./production/` → `production`; the root is empty.
fn normal(path: &str) -> Result<String, TreeError> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if path.starts_with('/') || parts.contains(&"..") {
        return Err(TreeError::InvalidPath { path: path.to_owned() });
    }
    Ok(parts.join("/"))
}

struct Reader<'a> {
    repository: &'a Repository,
    collector: Collector,
}

impl Reader<'_> {
    fn folder(&mut self, folder: &git2::Tree<'_>, path: &str, depth: usize) -> Result<(), TreeError> {
        for entry in folder {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            let path = join(path, &name);
            self.collector.entry(&path, depth)?;
            if judge_name(&name) != Name::Hidden {
                self.entry(&entry, &path, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &TreeEntry<'_>, path: &str, depth: usize) -> Result<(), TreeError> {
        let unreadable =
            |error: git2::Error| TreeError::Unreadable { path: path.to_owned(), message: error.message().to_owned() };
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let folder = self.repository.find_tree(entry.id()).map_err(unreadable)?;
                self.folder(&folder, path, depth + 1)
            }
            Some(ObjectType::Commit) => {
                self.collector.refuse(path, "submodules are not fetched; make a GitSource of their repository");
                Ok(())
            }
            _ if entry.filemode() == SYMLINK => {
                self.collector.refuse_symlink(path);
                Ok(())
            }
            _ => match judge_name(path.rsplit('/').next().unwrap_or(path)) {
                Name::Kustomization => {
                    self.collector.refuse_kustomization(path);
                    Ok(())
                }
                Name::Manifest => {
                    // The size stands in the header; a bomb is refused before it unfolds.
                    let odb = self.repository.odb().map_err(unreadable)?;
                    let (size, _) = odb.read_header(entry.id()).map_err(unreadable)?;
                    if self.collector.admit(path, size as u64)? {
                        let blob = self.repository.find_blob(entry.id()).map_err(unreadable)?;
                        self.collector.file(path, blob.content().to_vec());
                    }
                    Ok(())
                }
                Name::Fixture | Name::Other | Name::Hidden => Ok(()),
            },
        }
    }
}
