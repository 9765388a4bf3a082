//! A real mail server (mailpit): SMTP that insists on STARTTLS and AUTH, and a
//! REST interface by which a test reads what arrived.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;

use crate::{child::Running, control_plane, ports::Port, scratch, tls::Authority};

const START: Duration = Duration::from_secs(30);

/// The server; dropping it ends it.
pub struct MailServer {
    folder: PathBuf,
    program: PathBuf,
    smtp: Port,
    rest: Port,
    authority: Authority,
    password: String,
    http: reqwest::Client,
    running: Mutex<Option<Running>>,
}

/// One message as it arrived.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server's name for it.
    pub id: String,
    /// `Message-ID` without the angle brackets.
    pub message_id: String,
    /// Address of the sender.
    pub from: String,
    /// Addresses of the recipients.
    pub to: Vec<String>,
    /// Subject, decoded.
    pub subject: String,
    /// The plain-text part, decoded.
    pub text: String,
    /// Header fields by their name as sent; each may occur several times.
    pub headers: BTreeMap<String, Vec<String>>,
}

impl Mail {
    /// The first value of a header field; the name's case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, values) = self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        values.first().map(String::as_str)
    }
}

impl MailServer {
    /// The user that may send.
    pub const USER: &'static str = "firstline";

    /// Starts one and waits until it takes connections.
    ///
    /// # Errors
    /// When the program is missing or does not come up; with the end of its log.
    pub async fn start() -> Result<Self> {
        let program = tokio::task::spawn_blocking(control_plane::mailpit).await??;
        let folder = scratch::folder("mail");
        let authority = Authority::new("firstline-tests-mail")?;
        let serving = authority.loopback()?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        fs::write(folder.join("smtp.crt"), &serving.certificate)?;
        fs::write(folder.join("smtp.key"), &serving.key)?;
        fs::write(folder.join("users"), format!("{}:{password}\n", Self::USER))?;
        let server = Self {
            folder,
            program,
            smtp: Port::reserve()?,
            rest: Port::reserve()?,
            authority,
            password,
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?,
            running: Mutex::default(),
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Port of SMTP on 127.0.0.1 (the certificate also names `localhost`).
    pub fn smtp_port(&self) -> u16 {
        self.smtp.number()
    }

    /// Password of [`MailServer::USER`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// What senders have to trust.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Where a person can read the messages: `http://127.0.0.1:PORT`.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.rest.address())
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.lock().as_ref().map(Running::pid)
    }

    /// Kills it; connections are refused. The messages stay.
    pub fn stop(&self) {
        if let Some(mut running) = self.running.lock().take() {
            running.kill9();
        }
    }

    /// SIGSTOP: it takes connections and never says a word.
    pub fn pause(&self) {
        if let Some(running) = self.running.lock().as_mut() {
            running.signal(libc::SIGSTOP);
        }
    }

    /// SIGCONT.
    pub fn resume(&self) {
        if let Some(running) = self.running.lock().as_mut() {
            running.signal(libc::SIGCONT);
        }
    }

    /// Starts it on the same ports, with the messages it had.
    ///
    /// # Errors
    /// When it already runs or does not come up.
    pub async fn start_again(&self) -> Result<()> {
        if self.running.lock().is_some() {
            bail!("mailpit already runs; stop() first");
        }
        let file = |name: &str| self.folder.join(name).display().to_string();
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", &self.folder)
            .current_dir(&self.folder)
            .args(["--database", &file("mail.db"), "--disable-version-check"])
            .args(["--smtp", &self.smtp.address().to_string(), "--listen", &self.rest.address().to_string()])
            .args(["--smtp-tls-cert", &file("smtp.crt"), "--smtp-tls-key", &file("smtp.key")])
            .args(["--smtp-require-starttls", "--smtp-disable-rdns", "--smtp-auth-file", &file("users")])
            // Lets a test have SMTP commands refused; see refuse_recipients.
            .args(["--enable-chaos"]);
        let running = Running::start("mailpit", command, &self.folder.join("mailpit.log"))?;
        *self.running.lock() = Some(running);
        let came_up = crate::eventually(START, "mailpit to be ready", || async {
            let answer = self.http.get(format!("{}/readyz", self.rest_url())).send().await?;
            answer.error_for_status()?;
            tokio::net::TcpStream::connect(self.smtp.address()).await.context("SMTP")?;
            Ok(())
        });
        came_up.await.with_context(|| crate::child::tail(&self.folder.join("mailpit.log"), 20))
    }

    /// Answers `RCPT TO` with this code (4xx: try again, 5xx: never) until called
    /// with `None`.
    ///
    /// # Errors
    /// When the server does not take the order.
    pub async fn refuse_recipients(&self, code: Option<u16>) -> Result<()> {
        let trigger = json!({ "ErrorCode": code.unwrap_or(451), "Probability": if code.is_some() { 100 } else { 0 } });
        let order = self.http.put(format!("{}/api/v1/chaos", self.rest_url())).json(&json!({ "Recipient": trigger }));
        order.send().await?.error_for_status()?;
        Ok(())
    }

    /// Every message, oldest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn messages(&self) -> Result<Vec<Mail>> {
        let list: List = self.get("/api/v1/messages?limit=10000").await?;
        let mut mails = Vec::with_capacity(list.messages.len());
        for summary in list.messages.iter().rev() {
            mails.push(self.message(&summary.id).await?);
        }
        Ok(mails)
    }

    /// The first message for which `wanted` holds.
    ///
    /// # Errors
    /// When none has come within `deadline`; lists what came.
    pub async fn wait_for(&self, deadline: Duration, what: &str, wanted: impl Fn(&Mail) -> bool) -> Result<Mail> {
        crate::eventually(deadline, what, || async {
            let mails = self.messages().await?;
            let seen: Vec<String> =
                mails.iter().map(|mail| format!("to {}: {}", mail.to.join(", "), mail.subject)).collect();
            let found = mails.into_iter().find(|mail| wanted(mail));
            found.with_context(|| format!("{} messages\n{}", seen.len(), seen.join("\n")))
        })
        .await
    }

    async fn message(&self, id: &str) -> Result<Mail> {
        let message: Message = self.get(&format!("/api/v1/message/{id}")).await?;
        let headers = self.get(&format!("/api/v1/message/{id}/headers")).await?;
        Ok(Mail {
            id: id.to_owned(),
            message_id: message.message_id,
            from: message.from.address,
            to: message.to.into_iter().map(|to| to.address).collect(),
            subject: message.subject,
            text: message.text,
            headers,
        })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.http.get(format!("{}{path}", self.rest_url())).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }
}

#[derive(Deserialize)]
struct List {
    messages: Vec<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "MessageID")]
    message_id: String,
    from: Address,
    #[serde(default)]
    to: Vec<Address>,
    subject: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    address: String,
}
