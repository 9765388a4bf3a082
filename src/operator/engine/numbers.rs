//! Numbers of tickets for people: unique, not gapless.
//!
//! They come from one ConfigMap in the operator's namespace, taken in blocks by compare-and-swap, so that a
//! hundred tickets cost one write. A block that was taken and not used up at a crash leaves a gap.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use thiserror::Error;
use tokio::sync::Mutex;

/// The ConfigMap's name.
const NAME: &str = "firstline-ticket-numbers";
/// The key of the next free number.
const KEY: &str = "next";
/// Numbers taken at once.
const BLOCK: u64 = 100;
/// The first ticket's number.
const FIRST: u64 = 1;

/// Why no number could be drawn.
#[derive(Debug, Error)]
pub enum NumberError {
    /// The API refused or did not answer.
    #[error("drawing a ticket number: {0}")]
    Api(#[from] Box<kube::Error>),
    /// Somebody edited the counter.
    #[error(
        "ConfigMap {NAME}, key {KEY}: expected a number, found {0:?}; set it to one above the highest ticket number"
    )]
    NotANumber(String),
}

/// Draws numbers.
pub struct Numbers {
    api: Api<ConfigMap>,
    block: Mutex<std::ops::Range<u64>>,
}

impl Numbers {
    /// The counter in this namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), block: Mutex::new(0..0) }
    }

    /// The next number.
    ///
    /// # Errors
    /// When a new block is needed and the API does not give one.
    pub async fn draw(&self) -> Result<u64, NumberError> {
        let mut block = self.block.lock().await;
        loop {
            if let Some(number) = block.next() {
                return Ok(number);
            }
            if let Some(taken) = self.take_block().await? {
                *block = taken;
            }
        }
    }

    /// The next number of the block that is at hand; `None` when that is used up, and the API would have to be asked.
    pub async fn draw_without_api(&self) -> Option<u64> {
        self.block.lock().await.next()
    }

    /// One attempt; `None` when another writer was faster.
    async fn take_block(&self) -> Result<Option<std::ops::Range<u64>>, NumberError> {
        let old = self.api.get_opt(NAME).await.map_err(Box::new)?;
        let from = match old.as_ref().and_then(|map| map.data.as_ref()).and_then(|data| data.get(KEY)) {
            None => FIRST,
            Some(text) => text.parse().map_err(|_| NumberError::NotANumber(text.clone()))?,
        };
        let to = from + BLOCK;
        let mut new = old.clone().unwrap_or_default();
        new.data.get_or_insert_default().insert(KEY.to_owned(), to.to_string());
        let written = if old.is_some() {
            self.api.replace(NAME, &PostParams::default(), &new).await
        } else {
            new.metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            self.api.create(&PostParams::default(), &new).await
        };
        match written {
            Ok(_) => Ok(Some(from..to)),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
            Err(error) => Err(Box::new(error).into()),
        }
    }
}
