use std::fs;
use std::path::Path;

use git2::{Oid, Repository, Signature, Time};
use rstest::rstest;

use super::*;

/// A commit that holds these entries: path, mode, content (for a submodule its commit).
fn commit(folder: &Path, entries: &[(&str, i32, &[u8])]) -> String {
    let repository = Repository::init_bare(folder).unwrap();
    let mut builder = git2::build::TreeUpdateBuilder::new();
    for (path, mode, content) in entries {
        let id = if *mode == 0o160_000 {
            Oid::from_str(std::str::from_utf8(content).unwrap()).unwrap()
        } else {
            repository.blob(content).unwrap()
        };
        let mode = match *mode {
            0o120_000 => git2::FileMode::Link,
            0o160_000 => git2::FileMode::Commit,
            _ => git2::FileMode::Blob,
        };
        builder.upsert(*path, id, mode);
    }
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    let tree = repository.find_tree(builder.create_updated(&repository, &empty).unwrap()).unwrap();
    let ada = Signature::new("Ada", "ada@acme.example", &Time::new(0, 0)).unwrap();
    repository.commit(Some("refs/heads/main"), &ada, &ada, "all", &tree, &[]).unwrap().to_string()
}

fn file(path: &'static str, content: &'static str) -> (&'static str, i32, &'static [u8]) {
    (path, 0o100_644, content.as_bytes())
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.files.iter().map(|file| file.path.as_str()).collect()
}

fn errors(tree: &Tree) -> Vec<String> {
    tree.errors.iter().map(ToString::to_string).collect()
}

const LAYOUT: [(&str, &str); 10] = [
    ("production/payments/checkout.yaml", "a: 1"),
    ("production/payments/policy.yml", "b: 1"),
    ("production/identity/login.json", "{}"),
    ("production/payments/policy.test.yaml", "tests: []"),
    ("production/README.md", "hello"),
    ("production/.hidden.yaml", "x: 1"),
    ("production/.github/workflows/ci.yaml", "on: push"),
    ("production/LICENSE", "x"),
    ("staging/other.yaml", "c: 1"),
    ("root.yaml", "d: 1"),
];

const BELOW_PRODUCTION: [&str; 3] =
    ["production/identity/login.json", "production/payments/checkout.yaml", "production/payments/policy.yml"];

#[rstest]
#[case("./production")]
#[case("production/")]
#[case("./production/./")]
fn manifests_below_a_folder_of_a_commit_are_read_and_the_rest_is_not(#[case] path: &str) {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<_> = LAYOUT.iter().map(|(path, content)| file(path, content)).collect();
    let id = commit(folder.path(), &entries);
    let tree = read_commit(folder.path(), &id, path, TreeBudgets::default()).unwrap();
    assert_eq!(paths(&tree), BELOW_PRODUCTION);
    assert_eq!(tree.files[1].bytes, b"a: 1");
    assert_eq!(tree.fixtures, []);
    assert_eq!(errors(&tree), [] as [String; 0]);
}

#[test]
fn the_same_files_on_disk_are_read_by_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in LAYOUT {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), content).unwrap();
    }
    let tree = read_disk(&folder.path().join("production"), TreeBudgets::default()).unwrap();
    let root = format!("{}/", folder.path().display());
    let relative: Vec<_> = paths(&tree).into_iter().map(|path| path.strip_prefix(&root).unwrap()).collect();
    assert_eq!(relative, BELOW_PRODUCTION);
    let fixtures: Vec<_> = tree.fixtures.iter().map(|file| file.path.strip_prefix(&root).unwrap()).collect();
    assert_eq!(fixtures, ["production/payments/policy.test.yaml"]);
}

#[test]
fn a_path_may_be_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let id = commit(folder.path(), &[file("a/b.yaml", "x: 1"), file("a/c.yaml", "y: 1")]);
    let tree = read_commit(folder.path(), &id, "a/b.yaml", TreeBudgets::default()).unwrap();
    assert_eq!(paths(&tree), ["a/b.yaml"]);
    fs::write(folder.path().join("one.txt"), "x: 1").unwrap();
    let tree = read_disk(&folder.path().join("one.txt"), TreeBudgets::default()).unwrap();
    assert_eq!(tree.files.len(), 1);
}

#[test]
fn what_cannot_be_read_as_a_file_is_refused_each_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    let id = commit(
        folder.path(),
        &[
            file("good.yaml", "a: 1"),
            file("kustomization.yaml", "resources: []"),
            ("link.yaml", 0o120_000, b"/etc/passwd"),
            ("module", 0o160_000, b"0123456789012345678901234567890123456789"),
            file("pointer.yaml", lfs),
        ],
    );
    let tree = read_commit(folder.path(), &id, "./", TreeBudgets::default()).unwrap();
    assert_eq!(paths(&tree), ["good.yaml"]);
    assert_eq!(
        errors(&tree),
        [
            "kustomization.yaml:1:1: a kustomization is not built here; let Flux or Argo CD apply this folder, or commit the built manifests",
            "link.yaml:1:1: symlinks are not followed; commit the file itself",
            "module:1:1: submodules are not fetched; make a GitSource of their repository",
            "pointer.yaml:1:1: the file is a Git LFS pointer, whose content is not fetched; commit the file itself",
        ]
    );
}

#[test]
fn a_symlink_on_disk_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join("etc")).unwrap();
    let tree = read_disk(folder.path(), TreeBudgets::default()).unwrap();
    assert_eq!(tree.errors.len(), 1);
    assert_eq!(tree.files, []);
}

#[test]
fn a_path_that_is_not_there_is_an_error_and_not_an_empty_tree() {
    let folder = tempfile::tempdir().unwrap();
    let id = commit(folder.path(), &[file("a.yaml", "a: 1")]);
    let error = read_commit(folder.path(), &id, "production", TreeBudgets::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("commit {id} has no file or folder `production`"));
    for path in ["../a", "/a", "a/../../b"] {
        let error = read_commit(folder.path(), &id, path, TreeBudgets::default()).unwrap_err();
        assert_eq!(error, TreeError::InvalidPath { path: path.to_owned() });
    }
    let error = read_disk(&folder.path().join("nowhere"), TreeBudgets::default()).unwrap_err();
    assert!(matches!(error, TreeError::PathNotFound { .. }), "{error}");
}

#[test]
fn a_large_blob_is_refused_before_it_is_unpacked_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = vec![b' '; 3 << 20];
    let id = commit(folder.path(), &[file("a.yaml", "a: 1"), ("bomb.yaml", 0o100_644, &bomb)]);
    let tree = read_commit(folder.path(), &id, "", TreeBudgets::default()).unwrap();
    assert_eq!(paths(&tree), ["a.yaml"]);
    assert_eq!(
        errors(&tree),
        ["bomb.yaml:1:1: the file has 3145728 bytes, more than the 2097152 that a manifest may have"]
    );
}

#[rstest]
#[case::entries(TreeBudgets { entries: 3, ..TreeBudgets::default() }, "`c/d/e.yaml`: more than 3 entries")]
#[case::depth(TreeBudgets { depth: 1, ..TreeBudgets::default() }, "`c/d/e.yaml`: more than 1 folders within each other")]
#[case::bytes(TreeBudgets { total_bytes: 5, ..TreeBudgets::default() }, "`c/d/e.yaml`: more than 5 bytes of manifests")]
fn each_budget_is_named_when_it_is_exceeded(#[case] budgets: TreeBudgets, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let entries = [file("a.yaml", "a: 1"), file("c/d/e.yaml", "e: 1")];
    let id = commit(folder.path(), &entries);
    let error = read_commit(folder.path(), &id, "", budgets).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_tree_that_repeats_itself_is_counted_out_and_not_followed_to_its_end() {
    // Ten folders, each holding the same ten folders, and so on: 10^9 files in ten objects.
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let blob = repository.blob(b"a: 1").unwrap();
    let mut level = blob;
    for depth in 0..9 {
        let mut builder = repository.treebuilder(None).unwrap();
        for number in 0..10 {
            let (name, mode) =
                if depth == 0 { (format!("{number}.yaml"), 0o100_644) } else { (number.to_string(), 0o040_000) };
            builder.insert(name, level, mode).unwrap();
        }
        level = builder.write().unwrap();
    }
    let ada = Signature::new("Ada", "ada@acme.example", &Time::new(0, 0)).unwrap();
    let tree = repository.find_tree(level).unwrap();
    let id = repository.commit(None, &ada, &ada, "bomb", &tree, &[]).unwrap().to_string();
    let budgets = TreeBudgets { entries: 1000, ..TreeBudgets::default() };
    let error = read_commit(folder.path(), &id, "", budgets).unwrap_err();
    assert!(matches!(error, TreeError::BudgetExceeded { budget: "entries", .. }), "{error}");
}
