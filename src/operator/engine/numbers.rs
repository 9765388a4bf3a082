//! Numbers of tickets for people: unique, not gapless.
//!
//! They come from one ConfigMap in the operator's namespace, taken in blocks by compare-and-swap, so that a
//! hundred tickets cost one write. A block that was taken and not used up at a crash leaves a gap.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use parking_lot::Mutex;
use thiserror::Error;

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
    /// Held by whoever asks the API for a block, which may take for ever: what is left of the last one is drawn meanwhile.
    taking: tokio::sync::Mutex<()>,
}

impl Numbers {
    /// The counter in this namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), block: Mutex::new(0..0), taking: tokio::sync::Mutex::default() }
    }

    /// The next number.
    ///
    /// # Errors
    /// When a new block is needed and the API does not give one.
    pub async fn draw(&self) -> Result<u64, NumberError> {
        if let Some(number) = self.draw_without_api() {
            return Ok(number);
        }
        let _one_at_a_time = self.taking.lock().await;
        loop {
            // Somebody else may have taken one meanwhile.
            if let Some(number) = self.draw_without_api() {
                return Ok(number);
            }
            if let Some(taken) = self.take_block().await? {
                *self.block.lock() = taken;
            }
        }
    }

    /// The next number of the block that is at hand; `None` when that is used up, and the API would have to be asked.
    pub fn draw_without_api(&self) -> Option<u64> {
        self.block.lock().next()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_api_that_never_answers_keeps_nobody_from_going_on_without_a_number() {
        let numbers = Numbers::new(crate::kube::silent(), "firstline-system");
        tokio::select! {
            number = numbers.draw() => panic!("{number:?}"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let (waits, number) = (numbers.draw(), async { numbers.draw_without_api() });
        tokio::select! {
            biased;
            number = waits => panic!("{number:?}"),
            number = number => assert_eq!(number, None),
        }
    }
}
