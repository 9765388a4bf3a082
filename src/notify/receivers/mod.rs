//! Receivers for tests: real servers on loopback that misbehave on request.

pub(crate) mod smtp;
pub(crate) mod tcp;

use std::{future::Future, sync::Arc, time::Duration};

use domain::message::Delivery;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// Longer than any test may take: a timeout of it passes only when the clock is moved.
pub(crate) const FOREVER: Duration = Duration::from_secs(3_600);

/// Awaits an attempt against a receiver that hangs: when it does (`hung`), the clock is moved past the deadline.
/// Nothing waits for real time, so nothing depends on how fast the machine is.
pub(crate) async fn past_the_deadline(hung: &Notify, attempt: impl Future<Output = Delivery>) -> Delivery {
    let mut attempt = std::pin::pin!(attempt);
    tokio::select! {
        early = &mut attempt => panic!("the attempt ended before the receiver hung: {early:?}"),
        () = hung.notified() => {}
    }
    tokio::time::pause();
    tokio::time::advance(FOREVER).await;
    let delivery = attempt.await;
    tokio::time::resume();
    delivery
}

/// A certificate for `localhost` and 127.0.0.1, as PEM to trust and as a server to use.
pub(crate) fn certificate() -> (String, TlsAcceptor) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (own.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}
