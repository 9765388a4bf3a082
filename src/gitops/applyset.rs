//! Membership of a set of applied objects, by label, as KEP-3659 has it. Membership lives on the members, so that there
//! is no list that could grow too long, be lost, or lag behind a crash.
//!
//! The prefix is the one that kubectl uses (`applyset.kubernetes.io/`), not the one in the text of the KEP.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The label that each member carries; its value is the [`id`].
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// The label that the parent carries; its value is its own [`id`].
pub const PARENT_ID: &str = "applyset.kubernetes.io/id";

/// The annotation of the parent that names the tool, so that other tools leave the set alone: `firstline/0.1.0`.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";

/// The id of the set whose parent is the object `name` of `kind` and `group` in `namespace`: 55 characters, a valid
/// label value.
pub fn id(name: &str, namespace: &str, kind: &str, group: &str) -> String {
    let digest = Sha256::digest(format!("{name}.{namespace}.{kind}.{group}"));
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected value was computed with coreutils:
    /// `printf support.firstline-system.GitSource.firstline.dev | sha256sum | xxd -r -p | base64 | tr +/ -_ | tr -d =`.
    #[test]
    fn the_id_is_that_of_kubectl_for_the_same_parent() {
        assert_eq!(
            id("support", "firstline-system", "GitSource", "firstline.dev"),
            "applyset-AYxZdF6vTTKTub09xQ8VZxfcS87hTVo_y3gwarm8Hx4-v1"
        );
    }

    #[test]
    fn sources_of_one_name_in_two_namespaces_are_two_sets() {
        assert_ne!(id("a", "one", "GitSource", "firstline.dev"), id("a", "two", "GitSource", "firstline.dev"));
        assert!(id("a", "one", "GitSource", "firstline.dev").len() <= 63, "it must fit into a label");
    }
}
