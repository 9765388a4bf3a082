//! References to Secrets in specs. The Secret stands in the namespace of the object that names it and
//! carries the label `firstline.dev/use`; its value is read by the operator at the moment of use.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// One key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// The key in the Secret's data.
    #[schemars(schema_with = "schema::some_text::<253>")]
    pub key: String,
}

impl From<&SecretKey> for domain::secret::SecretRef {
    fn from(secret: &SecretKey) -> Self {
        Self { name: secret.name.clone(), key: secret.key.clone() }
    }
}

/// A whole Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// The Secret's name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}
