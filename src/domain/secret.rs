//! References to Secrets. The values never enter this crate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One key of a Secret in the namespace of the object that names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// The Secret's name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret {}, key {}", self.name, self.key)
    }
}
