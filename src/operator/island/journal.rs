//! The journal of an outage: what was decided while the API was gone, one JSON record a line, on disk before it is acted
//! on. It begins with everything that a process needs to go on by it alone; Secrets are never in it.
//!
//! A line that a crash cut short is left out when it is read: it was not acted on. One process uses a journal at a
//! time, by a lock on the file that ends with the process.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use api::{OnCallOverride, ServiceMonitor, Silence, SupportPolicy, Ticket, TicketEvent, ticket::TicketStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::boottime;

/// What the records look like; another number is not read.
const VERSION: u32 = 1;

/// Why the journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The disk.
    #[error("the journal {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error("the journal {} is in use by another operator; give each replica its own --data", .0.display())]
    InUse(PathBuf),
    /// It is of another version.
    #[error("the journal {} was written by another version of Firstline ({found}); start that version once, so that it brings its tickets to the API, or move the file away", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// A record is no JSON, which is a defect.
    #[error("a record of the journal cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Something before it is missing.
    #[error("decisions before this one are not in the journal, so it is written anew")]
    Incomplete,
    /// The API has answered, so the journal takes nothing any more; the decision is taken anew.
    #[error("the API answers again; this is decided anew")]
    Closed,
}

/// A moment as the machine counts time, which no step of its wall clock changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uptime {
    /// Which start of which machine.
    pub boot: String,
    /// How long after it.
    pub seconds: u64,
}

impl Uptime {
    /// This moment; `None` where the machine does not say which start it is.
    pub(super) fn now() -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { boot: boot.trim().to_owned(), seconds: boottime().as_secs() })
    }
}

/// Who wrote the journal, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Began {
    /// Of the records.
    pub version: u32,
    /// When the API was given up.
    pub at: Timestamp,
    /// The same as the machine counts time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<Uptime>,
    /// Who held the lease.
    pub holder: String,
    /// Which leader in the row.
    pub epoch: i64,
}

impl Began {
    /// At the head of a new journal.
    pub(super) fn new(at: Timestamp, holder: String, epoch: i64) -> Self {
        Self { version: VERSION, at, up: Uptime::now(), holder, epoch }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "camelCase")]
pub(super) enum Record {
    /// The first one.
    Began(Began),
    /// Whoever has this journal still decides by it.
    Alive {
        /// When.
        at: Timestamp,
        /// The same as the machine counts time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up: Option<Uptime>,
    },
    /// Somebody else has led since: from here on nobody goes on by this journal, and what it says is only merged.
    Superseded {
        /// When that was seen.
        at: Timestamp,
    },
    /// A policy in force.
    Policy {
        /// Its last valid version.
        object: Box<SupportPolicy>,
    },
    /// A monitor.
    Monitor {
        /// As it was seen last.
        object: Box<ServiceMonitor>,
    },
    /// A silence.
    Silence {
        /// As it was seen last.
        object: Box<Silence>,
    },
    /// A shift that somebody has taken over.
    Override {
        /// As it was seen last.
        object: Box<OnCallOverride>,
    },
    /// A ticket that is not over.
    Ticket {
        /// As it was seen last.
        object: Box<Ticket>,
    },
    /// An event of such a ticket.
    Event {
        /// As it was seen last.
        object: Box<TicketEvent>,
    },
    /// A ticket as it was decided without the API. The last one of a ticket counts.
    Decided {
        /// When.
        at: Timestamp,
        /// The same as the machine counts time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up: Option<Uptime>,
        /// The status that the API has, as far as is known; nothing for a ticket that it does not have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<Box<TicketStatus>>,
        /// What a merge was about to write: the API may have this in the place of `base`, and by our own hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Box<TicketStatus>>,
        /// The whole ticket.
        ticket: Box<Ticket>,
    },
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Writes a new journal with these records in the place of whatever is there, durably.
    ///
    /// # Errors
    /// When the disk refuses; what was there stays.
    pub(super) fn begin(path: &Path, records: &[Record]) -> Result<Self, JournalError> {
        let fault = |source| JournalError::Disk { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        for record in records {
            line(&mut bytes, record)?;
        }
        let new = path.with_extension("new");
        let begun = Self::put_in_place(&new, path, &bytes);
        if begun.is_err() {
            // On a full disk half a journal would take the room that the whole one needs. That it cannot be removed
            // is no news beside that.
            let _ = fs::remove_file(&new);
        }
        begun.map_err(fault)
    }

    fn put_in_place(new: &Path, path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // What the cluster's objects say is nobody else's business.
        options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A file that nobody else has opened.
        file.try_lock()?;
        fs::rename(new, path)?;
        sync_folder(path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Reads what an earlier process has left; `None` when there is nothing.
    ///
    /// # Errors
    /// When it is in use, or cannot be read.
    pub(super) fn read(path: &Path) -> Result<Option<(Self, Vec<Record>)>, JournalError> {
        let fault = |source| JournalError::Disk { path: path.to_owned(), source };
        let mut file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        lock(&file, path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fault)?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut records = Vec::new();
        for (number, line) in lines.enumerate() {
            match serde_json::from_slice::<Record>(line) {
                Ok(Record::Began(began)) if began.version != VERSION => {
                    return Err(JournalError::Version { path: path.to_owned(), found: began.version });
                }
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::error!(journal = %path.display(), line = number + 1, %error, "a line of the journal cannot be read and is left out; the last one is cut short by a crash before it was acted on");
                }
            }
        }
        Ok(Some((Self { path: path.to_owned(), file }, records)))
    }

    /// Adds a record, durably.
    ///
    /// # Errors
    /// When the disk refuses: it must not be acted on then.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        line(&mut bytes, record)?;
        let fault = |source| JournalError::Disk { path: self.path.clone(), source };
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(fault)
    }

    /// Removes the file: everything in it has come to the API.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn remove(&self) -> Result<(), JournalError> {
        let fault = |source| JournalError::Disk { path: self.path.clone(), source };
        fs::remove_file(&self.path).and_then(|()| sync_folder(&self.path)).map_err(fault)
    }

    /// Keeps the file under another name, for a person: something in it could not come to the API.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn set_aside(&self, at: Timestamp) -> Result<PathBuf, JournalError> {
        let aside = self.path.with_extension(format!("unmerged-{}", at.as_second()));
        let fault = |source| JournalError::Disk { path: self.path.clone(), source };
        fs::rename(&self.path, &aside).and_then(|()| sync_folder(&self.path)).map_err(fault)?;
        Ok(aside)
    }
}

/// Each record begins on a line of its own, also after one that was cut short.
fn line(bytes: &mut Vec<u8>, record: &Record) -> Result<(), serde_json::Error> {
    bytes.push(b'\n');
    serde_json::to_writer(&mut *bytes, record)
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(JournalError::Disk { path: path.to_owned(), source }),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ticket(name: &str) -> Box<Ticket> {
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": name, "namespace": "payments"}, "spec": {"title": "Checkout is down"},
        });
        Box::new(serde_json::from_value(object).unwrap())
    }

    fn decided(name: &str) -> Record {
        Record::Decided { at: Timestamp::UNIX_EPOCH, up: None, base: None, written: None, ticket: ticket(name) }
    }

    fn began() -> Record {
        // Without the time since boot, which goes on between two calls.
        Record::Began(Began { up: None, ..Began::new(Timestamp::UNIX_EPOCH, "a".to_owned(), 7) })
    }

    #[test]
    fn what_was_written_is_read_and_a_line_that_a_crash_cut_short_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("island.journal");
        let mut journal = Journal::begin(&path, &[began()]).unwrap();
        journal.append(&decided("one")).unwrap();
        journal.file.write_all(b"\n{\"record\":\"decided\",\"at\":\"19").unwrap();
        drop(journal);

        let (mut journal, records) = Journal::read(&path).unwrap().unwrap();
        assert_eq!(records, [began(), decided("one")]);
        journal.append(&decided("two")).unwrap();
        drop(journal);
        let (journal, records) = Journal::read(&path).unwrap().unwrap();
        assert_eq!(records, [began(), decided("one"), decided("two")]);
        journal.remove().unwrap();
        assert!(Journal::read(&path).unwrap().is_none());
    }

    #[test]
    fn a_crash_at_any_byte_of_a_line_loses_that_line_alone_and_the_next_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("island.journal");
        let mut journal = Journal::begin(&path, &[began()]).unwrap();
        let before = fs::metadata(&path).unwrap().len();
        journal.append(&decided("ärger")).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for length in usize::try_from(before).unwrap()..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut journal, records) = Journal::read(&path).unwrap().unwrap();
            assert_eq!(records, [began()], "{length} bytes");
            journal.append(&decided("two")).unwrap();
            drop(journal);
            assert_eq!(Journal::read(&path).unwrap().unwrap().1, [began(), decided("two")], "{length} bytes");
        }
    }

    #[test]
    fn a_journal_that_cannot_be_begun_leaves_the_old_one_and_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("island.journal");
        drop(Journal::begin(&path, &[began(), decided("one")]).unwrap());
        // A disk without room for everybody, root included.
        std::os::unix::fs::symlink("/dev/full", path.with_extension("new")).unwrap();
        let error = Journal::begin(&path, &[began()]).unwrap_err().to_string();
        assert!(error.contains("No space left"), "{error}");
        assert!(!path.with_extension("new").exists());
        assert_eq!(Journal::read(&path).unwrap().unwrap().1, [began(), decided("one")]);
    }

    #[test]
    fn one_process_at_a_time_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("island.journal");
        let journal = Journal::begin(&path, &[began()]).unwrap();
        assert!(matches!(Journal::read(&path), Err(JournalError::InUse(_))));
        drop(journal);
        assert!(Journal::read(&path).unwrap().is_some());
    }

    #[test]
    fn another_version_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("island.journal");
        let newer = Record::Began(Began { version: 2, ..Began::new(Timestamp::UNIX_EPOCH, String::new(), 1) });
        drop(Journal::begin(&path, &[newer]).unwrap());
        let error = Journal::read(&path).unwrap_err().to_string();
        assert!(error.contains("another version of Firstline (2)"), "{error}");
    }
}
