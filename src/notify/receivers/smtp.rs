//! A mail server that speaks real SMTP, with STARTTLS and AUTH, and can be told to misbehave at any moment.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use domain::message::SmtpTls;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::certificate;

/// When something is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    Greeting,
    Ehlo,
    StartTls,
    /// After the reply to STARTTLS, or at the beginning with implicit TLS.
    Handshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After half of the mail.
    Body,
    FinalDot,
    Quit,
}

/// What happens instead of the usual.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// This is said.
    Say(&'static str),
    /// To this recipient this is said, to others the usual.
    SayTo(&'static str, &'static str),
    /// Nothing is said any more.
    Hang,
    /// The connection is closed.
    Cut,
}

/// A mail as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
    /// Whether it came through TLS.
    pub(crate) encrypted: bool,
}

/// How a server behaves.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) tls: SmtpTls,
    /// Offered in EHLO, after TLS only: `PLAIN LOGIN`.
    pub(crate) mechanisms: &'static str,
    pub(crate) account: (&'static str, &'static str),
    pub(crate) acts: BTreeMap<Moment, Act>,
}

impl Script {
    pub(crate) fn usual(tls: SmtpTls) -> Self {
        Self { tls, mechanisms: "PLAIN LOGIN", account: ("firstline", "s3cret"), acts: BTreeMap::new() }
    }

    pub(crate) fn at(mut self, moment: Moment, act: Act) -> Self {
        self.acts.insert(moment, act);
        self
    }
}

/// Stops when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// PEM of its certificate.
    pub(crate) ca: String,
    /// Told when it hangs.
    pub(crate) hung: Arc<Notify>,
    seen: Arc<Seen>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    mails: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ca, acceptor) = certificate();
        let (hung, seen) = (Arc::new(Notify::new()), Arc::new(Seen::default()));
        let mut task = JoinSet::new();
        task.spawn({
            let (hung, seen) = (Arc::clone(&hung), Arc::clone(&seen));
            async move {
                let mut connections = JoinSet::new();
                loop {
                    let (tcp, _) = listener.accept().await.unwrap();
                    let (script, hung, seen, acceptor) =
                        (script.clone(), Arc::clone(&hung), Arc::clone(&seen), acceptor.clone());
                    connections.spawn(async move { Conversation { script, hung, seen }.run(tcp, acceptor).await });
                }
            }
        });
        Self { port, ca, hung, seen, _task: task }
    }

    /// Mails whose final dot was answered with 250.
    pub(crate) fn mails(&self) -> Vec<Received> {
        self.seen.mails.lock().clone()
    }

    /// Every command line, in the order in which they came.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.seen.commands.lock().clone()
    }
}

struct Conversation {
    script: Script,
    hung: Arc<Notify>,
    seen: Arc<Seen>,
}

/// Why a conversation ends before QUIT.
struct End;

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Conversation {
    async fn run(&self, tcp: TcpStream, acceptor: TlsAcceptor) {
        let _: Result<(), End> = async {
            match self.script.tls {
                SmtpTls::None => self.speak(BufReader::new(tcp), false).await.map(drop),
                SmtpTls::Implicit => {
                    self.pause_at(Moment::Handshake).await?;
                    self.speak(BufReader::new(acceptor.accept(tcp).await?), true).await.map(drop)
                }
                SmtpTls::Required => {
                    let Some(tcp) = self.speak(BufReader::new(tcp), false).await? else { return Ok(()) };
                    self.pause_at(Moment::Handshake).await?;
                    let tls = acceptor.accept(tcp).await?;
                    self.converse(&mut BufReader::new(tls), true).await.map(drop)
                }
            }
        }
        .await;
    }

    /// Greets and converses; `Some` when the connection is to be encrypted.
    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut wire: BufReader<S>,
        encrypted: bool,
    ) -> Result<Option<S>, End> {
        self.say(&mut wire, Moment::Greeting, "220 mail.acme.example ESMTP").await?;
        let encrypt = self.converse(&mut wire, encrypted).await?;
        Ok(encrypt.then(|| wire.into_inner()))
    }

    /// Until QUIT (false) or STARTTLS (true).
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut BufReader<S>,
        encrypted: bool,
    ) -> Result<bool, End> {
        let mut mail = Received { encrypted, ..Received::default() };
        loop {
            let line = self.line(wire).await?;
            self.seen.commands.lock().push(line.clone());
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb {
                "EHLO" => {
                    let starttls =
                        if self.script.tls == SmtpTls::Required && !encrypted { "250-STARTTLS\r\n" } else { "" };
                    let auth =
                        if encrypted { format!("250-AUTH {}\r\n", self.script.mechanisms) } else { String::new() };
                    self.say(wire, Moment::Ehlo, &format!("250-mail.acme.example\r\n{starttls}{auth}250 8BITMIME"))
                        .await?;
                }
                "STARTTLS" => {
                    let refused = matches!(self.script.acts.get(&Moment::StartTls), Some(Act::Say(text)) if !text.starts_with('2'));
                    self.say(wire, Moment::StartTls, "220 go ahead").await?;
                    if !refused {
                        return Ok(true);
                    }
                }
                "AUTH" => self.log_in(wire, rest).await?,
                "MAIL" => {
                    mail.from = rest.to_owned();
                    self.say(wire, Moment::Mail, "250 sender ok").await?;
                }
                "RCPT" => {
                    let answer = match self.script.acts.get(&Moment::Rcpt) {
                        Some(Act::SayTo(who, answer)) if rest.contains(who) => *answer,
                        _ => "250 recipient ok",
                    };
                    if answer.starts_with('2') {
                        mail.to.push(rest.to_owned());
                    }
                    self.say(wire, Moment::Rcpt, answer).await?;
                }
                "DATA" => {
                    self.say(wire, Moment::Data, "354 end with a dot").await?;
                    self.read_mail(wire, &mut mail).await?;
                    self.say(wire, Moment::FinalDot, "250 2.0.0 queued as 4711").await?;
                    if !self.script.acts.contains_key(&Moment::FinalDot) {
                        self.seen.mails.lock().push(std::mem::take(&mut mail));
                    }
                }
                "QUIT" => {
                    self.say(wire, Moment::Quit, "221 bye").await?;
                    return Ok(false);
                }
                _ => self.write(wire, "502 what?").await?,
            }
        }
    }

    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut BufReader<S>, rest: &str) -> Result<(), End> {
        let (user, password) = self.script.account;
        let right = if rest == "LOGIN" {
            self.write(wire, "334 VXNlcm5hbWU6").await?;
            let given_user = self.line(wire).await?;
            self.write(wire, "334 UGFzc3dvcmQ6").await?;
            let given_password = self.line(wire).await?;
            given_user == BASE64_STANDARD.encode(user) && given_password == BASE64_STANDARD.encode(password)
        } else {
            rest == format!("PLAIN {}", BASE64_STANDARD.encode(format!("\0{user}\0{password}")))
        };
        // As some real servers do, the refusal repeats what was given.
        let refusal = format!("535 5.7.8 bad credentials {rest}");
        self.say(wire, Moment::Auth, if right { "235 2.7.0 welcome" } else { &refusal }).await
    }

    async fn read_mail<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut BufReader<S>,
        mail: &mut Received,
    ) -> Result<(), End> {
        loop {
            let line = self.line(wire).await?;
            if line == "." {
                return Ok(());
            }
            self.pause_at(Moment::Body).await?;
            mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
            mail.data.push('\n');
        }
    }

    /// Hangs or cuts, if that is what is to happen now.
    async fn pause_at(&self, moment: Moment) -> Result<(), End> {
        match self.script.acts.get(&moment) {
            Some(Act::Cut) => Err(End),
            Some(Act::Hang) => {
                self.hung.notify_one();
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }

    async fn say<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut BufReader<S>,
        moment: Moment,
        usual: &str,
    ) -> Result<(), End> {
        self.pause_at(moment).await?;
        match self.script.acts.get(&moment) {
            Some(Act::Say(text)) => self.write(wire, text).await,
            _ => self.write(wire, usual).await,
        }
    }

    async fn write<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut BufReader<S>, text: &str) -> Result<(), End> {
        wire.write_all(format!("{text}\r\n").as_bytes()).await?;
        Ok(wire.flush().await?)
    }

    async fn line<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut BufReader<S>) -> Result<String, End> {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Err(End);
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
