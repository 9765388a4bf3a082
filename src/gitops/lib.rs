//! The GitOps engine up to the point where the cluster begins.
//!
//! | module | does |
//! |---|---|
//! | [`fetch`] | brings one branch of a repository into a bare mirror, within a deadline and budgets |
//! | [`child`] | runs a fetch in a child process that may hang, burst or be killed without harm |
//! | [`tree`] | reads the manifests of a commit (no checkout) or of a folder on disk |
//! | [`yaml`] | strict documents with positions |
//! | [`load`] | documents become objects; all that is wrong is said at once, with file, line and column |
//! | [`plan`] | desired objects against live ones: what to create, update and remove, and what to refuse |
//! | [`applyset`] | the membership label by which prune finds what came from Git |
//!
//! What is absent: no Kubernetes client, no clock, no custom resource types. Whether an object is valid is asked of a
//! function that the caller gives, and so are defaults. Nothing of a repository is ever written to disk as a file,
//! and nothing of it is ever run.

pub mod applyset;
pub mod child;
pub mod fetch;
mod file_error;
pub mod load;
pub mod plan;
pub mod tree;
pub mod yaml;

pub use file_error::FileError;
