//! From a TCP connection to the reply after the final dot, and what each way of failing means.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use domain::message::{Delivery, Refused, SmtpTls};
use rustls::{ClientConfig, pki_types::ServerName};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    compose::Mail,
    dialogue::{Broken, Dialogue, Reply, Wire},
};
use crate::outcome::{NotAccepted, plain, root_cause};

/// A submission server and how to speak to it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: SmtpTls,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) account: Option<Account>,
    /// The whole attempt's; shared out among the addresses of a name.
    pub(super) patience: Duration,
}

/// Who we are to the server. Only ever sent through TLS.
pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: SecretString,
    /// Where the password is kept, for the reader of an error.
    pub(super) password_in: String,
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Connecting,
    Encrypting,
    Greeting,
    LoggingIn,
    Sender,
    Recipients,
    Data,
    /// The final dot is on its way: from here on the mail may have been taken.
    FinalDot,
}

impl Stage {
    fn doing(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Encrypting => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::LoggingIn => "logging in",
            Self::Sender => "MAIL FROM",
            Self::Recipients => "RCPT TO",
            Self::Data => "sending the mail",
            Self::FinalDot => "the final dot",
        }
    }
}

/// What a server offers in its answer to EHLO.
#[derive(Debug, Default, PartialEq, Eq)]
struct Offers {
    starttls: bool,
    plain: bool,
    login: bool,
    smtputf8: bool,
    eight_bit: bool,
}

impl Offers {
    fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is the server's name.
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("AUTH") => {
                    for mechanism in words {
                        offers.plain |= mechanism == "PLAIN";
                        offers.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// A connection that is ready for a mail.
pub(super) struct Ready {
    dialogue: Dialogue<Box<dyn Wire>>,
    offers: Offers,
}

impl Ready {
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, Broken> {
        self.dialogue.command(line).await
    }
}

/// A mail that the server took.
pub(super) struct Taken {
    /// Its reply to the final dot.
    receipt: String,
    /// For whom.
    reached: Vec<String>,
    /// For whom not, and its replies to them.
    refused: Vec<(String, Reply)>,
}

impl From<Taken> for Delivery {
    fn from(Taken { receipt, reached, refused }: Taken) -> Self {
        if refused.is_empty() {
            return Self::Accepted { receipt };
        }
        let refused = refused.into_iter().map(|(recipient, reply)| Refused {
            recipient,
            word: reply.words(),
            for_good: reply.code >= 500,
        });
        Self::Partly { receipt, reached, refused: refused.collect() }
    }
}

impl Server {
    /// Connects, encrypts and logs in, as the channel asks.
    pub(super) async fn open(&self, stage: &mut Stage) -> Result<Ready, NotAccepted> {
        let (tcp, name) = self.connect().await?;
        let (dialogue, offers) = match self.security {
            SmtpTls::None => self.greet(Box::new(tcp) as Box<dyn Wire>, &name, stage).await?,
            SmtpTls::Implicit => {
                let tls: Box<dyn Wire> = Box::new(self.encrypt(tcp, stage).await?);
                self.greet(tls, &name, stage).await?
            }
            SmtpTls::Required => {
                let tcp = self.starttls(tcp, &name, stage).await?;
                let tls: Box<dyn Wire> = Box::new(self.encrypt(tcp, stage).await?);
                *stage = Stage::Greeting;
                let mut dialogue = Dialogue::over(tls);
                // What was offered in plain text counts for nothing.
                let offers = self.hello(&mut dialogue, &name).await?;
                (dialogue, offers)
            }
        };
        let mut ready = Ready { dialogue, offers };
        if let Some(account) = &self.account {
            *stage = Stage::LoggingIn;
            self.log_in(&mut ready, account).await?;
        }
        Ok(ready)
    }

    /// Hands a mail over.
    pub(super) async fn submit(&self, ready: &mut Ready, mail: &Mail, stage: &mut Stage) -> Result<Taken, NotAccepted> {
        let parameters = self.parameters(mail, &ready.offers)?;
        let dialogue = &mut ready.dialogue;

        *stage = Stage::Sender;
        let reply = dialogue.command(&format!("MAIL FROM:<{}>{parameters}", mail.from)).await;
        self.done(reply, *stage, "check the channel's `from`")?;

        *stage = Stage::Recipients;
        let (mut reached, mut refused) = (Vec::new(), Vec::new());
        for address in &mail.to {
            let reply = dialogue.command(&format!("RCPT TO:<{address}>")).await;
            let reply = reply.map_err(|broken| self.broken(&broken, *stage))?;
            if reply.is_done() {
                reached.push(address.to_string());
            } else {
                refused.push((address.to_string(), reply));
            }
        }
        // Those who can be told now are told now.
        if reached.is_empty() {
            return Err(self.nobody(&refused));
        }

        *stage = Stage::Data;
        let reply = dialogue.command("DATA").await.map_err(|broken| self.broken(&broken, *stage))?;
        if !reply.asks_for_more() {
            return Err(self.refused(&reply, *stage, ""));
        }
        dialogue.message(&mail.bytes).await.map_err(|broken| self.broken(&broken, *stage))?;

        *stage = Stage::FinalDot;
        let reply = dialogue.finish().await;
        let receipt = self.done(reply, *stage, "the server does not want this mail")?.words();
        Ok(Taken { receipt, reached, refused })
    }

    /// What a deadline means that passed in this stage.
    pub(super) fn late(&self, stage: Stage, limit: Duration) -> NotAccepted {
        let error = format!("{self}: no answer within {limit:?}, at {}", stage.doing());
        if stage == Stage::FinalDot { NotAccepted::Uncertain(error) } else { NotAccepted::retry(error) }
    }

    /// A connection, and the name to give ourselves on it: the address literal of our end (RFC 5321, 4.1.4).
    async fn connect(&self) -> Result<(TcpStream, String), NotAccepted> {
        let lookup = lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = lookup
            .map_err(|error| NotAccepted::retry(format!("{self}: the name cannot be resolved: {error}")))?
            .collect();
        // An address that swallows packets must not use up the time of the others.
        let share = self.patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut last = "the name has no address".to_owned();
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    let name = match tcp.local_addr() {
                        Ok(SocketAddr::V4(local)) => format!("[{}]", local.ip()),
                        Ok(SocketAddr::V6(local)) => format!("[IPv6:{}]", local.ip()),
                        Err(_) => "[127.0.0.1]".to_owned(),
                    };
                    // Commands are small and each waits for its answer. Without it only slower.
                    let _ = tcp.set_nodelay(true);
                    return Ok((tcp, name));
                }
                Ok(Err(error)) => last = format!("no connection to {address}: {error}"),
                Err(_) => last = format!("no connection to {address} within {share:?}"),
            }
        }
        Err(NotAccepted::retry(format!("{self}: {last}")))
    }

    async fn greet<W: Wire>(
        &self,
        wire: W,
        name: &str,
        stage: &mut Stage,
    ) -> Result<(Dialogue<W>, Offers), NotAccepted> {
        *stage = Stage::Greeting;
        let mut dialogue = Dialogue::over(wire);
        let greeting = dialogue.reply().await;
        self.done(greeting, *stage, "")?;
        let offers = self.hello(&mut dialogue, name).await?;
        Ok((dialogue, offers))
    }

    async fn hello<W: Wire>(&self, dialogue: &mut Dialogue<W>, name: &str) -> Result<Offers, NotAccepted> {
        let reply = dialogue.command(&format!("EHLO {name}")).await;
        Ok(Offers::of(&self.done(reply, Stage::Greeting, "")?))
    }

    /// The plain part of a connection that must be encrypted.
    async fn starttls(&self, tcp: TcpStream, name: &str, stage: &mut Stage) -> Result<TcpStream, NotAccepted> {
        let (mut dialogue, offers) = self.greet(tcp, name, stage).await?;
        if !offers.starttls {
            return Err(NotAccepted::Failed(format!(
                "{self} does not offer STARTTLS, which `tls: Required` needs: use a port that does, or `tls: Implicit` (often port 465)"
            )));
        }
        let reply = dialogue.command("STARTTLS").await;
        self.done(reply, *stage, "")?;
        dialogue.into_wire().map_err(|broken| self.broken(&broken, *stage))
    }

    async fn encrypt(&self, tcp: TcpStream, stage: &mut Stage) -> Result<TlsStream<TcpStream>, NotAccepted> {
        *stage = Stage::Encrypting;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| NotAccepted::Failed(format!("{self}: the host is neither a DNS name nor an address")))?;
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await.map_err(|error| {
            NotAccepted::retry(format!(
                "{self}: the TLS handshake failed: {}{}",
                root_cause(&error),
                self.port_advice()
            ))
        })
    }

    /// Mixed-up ports are the commonest reason for a failed handshake.
    fn port_advice(&self) -> &'static str {
        match (self.security, self.port) {
            (SmtpTls::Implicit, 25 | 587) => "; port 587 and 25 want `tls: Required` (STARTTLS)",
            _ => "",
        }
    }

    async fn log_in(&self, ready: &mut Ready, account: &Account) -> Result<(), NotAccepted> {
        let Account { username, password, password_in } = account;
        let secret = password.expose_secret();
        let coded = |text: &str| BASE64_STANDARD.encode(text);
        let advice = format!("check the user name and the password in {password_in}");
        let said = if ready.offers.plain {
            let line = format!("AUTH PLAIN {}", coded(&format!("\0{username}\0{secret}")));
            ready.command(&line).await
        } else if ready.offers.login {
            let mut reply = ready.command("AUTH LOGIN").await;
            for answer in [coded(username), coded(secret)] {
                if !matches!(&reply, Ok(reply) if reply.asks_for_more()) {
                    break;
                }
                reply = ready.command(&answer).await;
            }
            reply
        } else {
            return Err(NotAccepted::Failed(format!(
                "{self} offers neither AUTH PLAIN nor AUTH LOGIN: remove `auth`, or use another port"
            )));
        };
        let reply =
            said.map(|reply| without(reply, &[secret, &coded(secret), &coded(&format!("\0{username}\0{secret}"))]));
        self.done(reply, Stage::LoggingIn, &advice).map(drop)
    }

    /// What this mail needs of the server, as parameters of MAIL FROM.
    fn parameters(&self, mail: &Mail, offers: &Offers) -> Result<&'static str, NotAccepted> {
        match (mail.has_international_address(), mail.is_eight_bit()) {
            (true, _) if !offers.smtputf8 => Err(NotAccepted::Failed(format!(
                "{self} does not take addresses with letters outside ASCII (SMTPUTF8): use another address"
            ))),
            (_, true) if !offers.eight_bit => {
                Err(NotAccepted::Failed(format!("{self} takes seven-bit mails only (8BITMIME), and this one is not")))
            }
            (true, true) => Ok(" SMTPUTF8 BODY=8BITMIME"),
            (true, false) => Ok(" SMTPUTF8"),
            (false, true) => Ok(" BODY=8BITMIME"),
            (false, false) => Ok(""),
        }
    }

    /// A reply that says done, or what its absence means in this stage.
    fn done(&self, said: Result<Reply, Broken>, stage: Stage, advice: &str) -> Result<Reply, NotAccepted> {
        let reply = said.map_err(|broken| self.broken(&broken, stage))?;
        if reply.is_done() { Ok(reply) } else { Err(self.refused(&reply, stage, advice)) }
    }

    fn refused(&self, reply: &Reply, stage: Stage, advice: &str) -> NotAccepted {
        let error = format!("{self} refused at {}: {}", stage.doing(), reply.words());
        match reply.code {
            // Not a refusal: client and server no longer mean the same command.
            200..400 => self.broken(&Broken::NotSmtp(format!("`{}`", reply.words())), stage),
            400..500 => NotAccepted::retry(error),
            530 => NotAccepted::Failed(format!(
                "{error}; the server wants encryption or a login first: set `tls` and `auth`"
            )),
            // Only a person can mend it, in a Secret, which nothing tells us of: once mended, the page must go out.
            _ if stage == Stage::LoggingIn => NotAccepted::retry(format!("{error}; {advice}")),
            _ if advice.is_empty() => NotAccepted::Failed(error),
            _ => NotAccepted::Failed(format!("{error}; {advice}")),
        }
    }

    fn nobody(&self, refused: &[(String, Reply)]) -> NotAccepted {
        let error = format!("{self} refused every recipient: {}", listed(refused));
        if refused.iter().any(|(_, reply)| reply.code < 500) {
            NotAccepted::retry(error)
        } else {
            NotAccepted::Failed(format!("{error}; check the addresses"))
        }
    }

    fn broken(&self, broken: &Broken, stage: Stage) -> NotAccepted {
        let what = match broken {
            Broken::Lost(error) => format!("the connection was lost: {}", plain(&error.to_string(), 200)),
            Broken::NotSmtp(found) => format!("expected a fitting SMTP reply, found {found}"),
        };
        let error = format!("{self}: at {}: {what}", stage.doing());
        if stage == Stage::FinalDot { NotAccepted::Uncertain(error) } else { NotAccepted::retry(error) }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A server that repeats what it was sent must not put it into a ticket's status.
fn without(reply: Reply, secrets: &[&str]) -> Reply {
    let hide = |line: String| {
        secrets.iter().filter(|secret| !secret.is_empty()).fold(line, |line, secret| line.replace(secret, "***"))
    };
    Reply { lines: reply.lines.into_iter().map(hide).collect(), ..reply }
}

fn listed(refused: &[(String, Reply)]) -> String {
    let list: Vec<_> = refused.iter().map(|(address, reply)| format!("{address}: {}", reply.words())).collect();
    plain(&list.join(", "), 500)
}
