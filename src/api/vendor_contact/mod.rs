//! VendorContact: a cloud vendor and the people to reach there.

mod validate;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use validate::validate;

use crate::{conditions::Condition, schema};

/// A vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "VendorContact",
    plural = "vendorcontacts",
    singular = "vendorcontact",
    shortname = "vendor",
    category = "firstline",
    namespaced,
    status = "VendorContactStatus",
    derive = "PartialEq",
    doc = "A cloud vendor and the people to reach there.",
    printcolumn(name = "Vendor", type_ = "string", json_path = ".spec.vendor.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.vendor.url", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct VendorContactSpec {
    /// Who the vendor is.
    pub vendor: Vendor,
    /// Whom to reach there, in the order to try.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub contacts: Vec<Contact>,
    /// What a person at night should know before they call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<8192>")]
    pub notes: Option<String>,
}

/// Who the vendor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vendor {
    /// The name people use.
    #[schemars(schema_with = "schema::some_text::<200>")]
    pub name: String,
    /// The vendor's support page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::http_url")]
    pub url: Option<String>,
}

/// Somebody to reach at the vendor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.email) || has(self.phone)").message("expected an email address or a phone number, found neither"))]
pub struct Contact {
    /// The name of the person or desk; unique among the contacts.
    #[schemars(schema_with = "schema::some_text::<200>")]
    pub name: String,
    /// What they do there, such as account manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<200>")]
    pub role: Option<String>,
    /// The mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::mail_address")]
    pub email: Option<String>,
    /// The phone number, as it is dialled from abroad: +49 30 1234567.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "phone")]
    pub phone: Option<String>,
    /// The IANA time zone they work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: Option<String>,
}

/// What became of the contact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VendorContactStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

fn phone(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 40, "pattern": schema::PHONE})
}
