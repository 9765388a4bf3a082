//! A sign of life: one GET of an address that raises an alarm when nothing asks it for a while.
//!
//! The address is a credential: no error contains it. Redirects are not followed, as with messages.

use std::time::Duration;

use url::Url;

use crate::{context::Context, outcome::root_cause};

/// For one attempt, from connect to the status line.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the address once; takes at most ten seconds.
///
/// # Errors
/// A sentence without the address when the answer is not 2xx or none comes.
pub async fn ping(url: &Url, context: &Context) -> Result<(), String> {
    let trust = context.trust(None)?;
    let answer = tokio::time::timeout(TIMEOUT, trust.http.get(url.clone()).send()).await;
    match answer {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answers {}", answer.status())),
        Ok(Err(error)) => Err(root_cause(&error.without_url())),
        Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Asks a server that gives this answer; what it was asked, and what came of it.
    async fn ask(answer: &'static str) -> (String, Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/t0ken", listener.local_addr().unwrap()).parse().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let context = Context::new().unwrap();
        tokio::join!(server, ping(&url, &context))
    }

    #[tokio::test]
    async fn it_asks_once_and_is_content_with_any_2xx() {
        let (request, said) = ask("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(request.starts_with("GET /t0ken HTTP/1.1\r\n"), "{request}");
        assert_eq!(said, Ok(()));
    }

    #[tokio::test]
    async fn another_answer_is_an_error_without_the_address() {
        let (_, said) = ask("HTTP/1.1 302 Found\r\nlocation: /t0ken\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(said, Err("it answers 302 Found".to_owned()));
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_without_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/t0ken", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let error = ping(&url, &Context::new().unwrap()).await.unwrap_err();
        assert!(error.contains("refused") && !error.contains("t0ken"), "{error}");
    }
}
