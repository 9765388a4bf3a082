//! A wall clock that a test steps under a running operator, by Debian's libfaketime.
//!
//! The library answers in the place of the C library's `clock_gettime`. CLOCK_MONOTONIC and CLOCK_BOOTTIME stay the
//! kernel's, as when a time service steps the clock, and so do the times of files.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{operator::Setup, oracles, scratch};

/// How far one operator's wall clock is off, in seconds.
#[derive(Debug)]
pub struct FakeTime {
    library: PathBuf,
    offset: PathBuf,
}

impl FakeTime {
    /// A clock that is off by so much.
    ///
    /// # Errors
    /// When the library is not there, or touches clocks that it must not.
    pub fn new(name: &str, seconds: i64) -> Result<Self> {
        let library = oracles::folder("faketime.sh")?.join("usr/lib/libfaketimeMT.so.1");
        let clock = Self { library, offset: scratch::folder(name).join("faketime") };
        clock.step(seconds)?;
        clock.check(seconds)?;
        Ok(clock)
    }

    /// The operator of this setup lives by this clock.
    #[must_use]
    pub fn given(&self, setup: Setup) -> Setup {
        self.environment().into_iter().fold(setup, |setup, (name, value)| setup.environment(name, &value))
    }

    /// Off by so much from now on, whatever it was.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn step(&self, seconds: i64) -> Result<()> {
        // It is read at any moment, so it must never be half written.
        let new = self.offset.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        fs::rename(&new, &self.offset).with_context(|| self.offset.display().to_string())
    }

    fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", self.library.to_string_lossy().into_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.to_string_lossy().into_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }

    /// The wall clock of a process is off, and nothing else: a library that touched the time since boot would show nothing
    /// of what happens when a clock is stepped.
    fn check(&self, seconds: i64) -> Result<()> {
        let clocks = || -> Result<[f64; 3]> {
            let read = "import time as t; print(*map(t.clock_gettime, (t.CLOCK_REALTIME, t.CLOCK_MONOTONIC, t.CLOCK_BOOTTIME)))";
            let output = Command::new("python3").args(["-c", read]).envs(self.environment()).output()?;
            let text = String::from_utf8(output.stdout)?;
            let read: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            read.try_into().map_err(|read| anyhow::anyhow!("expected three clocks, found {read:?}"))
        };
        let plain = || -> Result<[f64; 3]> {
            let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
            let read = |id| -> Result<f64> {
                let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                #[expect(
                    unsafe_code,
                    reason = "no safe interface in std reads these clocks; the pointer is to a local"
                )]
                let result = unsafe { libc::clock_gettime(id, &raw mut time) };
                ensure!(result == 0, "clock {id} cannot be read");
                Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
            };
            Ok([real, read(libc::CLOCK_MONOTONIC)?, read(libc::CLOCK_BOOTTIME)?])
        };
        let (before, faked, after) = (plain()?, clocks()?, plain()?);
        for ((before, faked), (after, off)) in
            before.iter().zip(faked).zip(after.iter().zip([seconds as f64, 0.0, 0.0]))
        {
            let range = before + off - 0.001..after + off + 0.001;
            ensure!(range.contains(&faked), "libfaketime shows {faked}, expected {range:?}");
        }
        Ok(())
    }
}
