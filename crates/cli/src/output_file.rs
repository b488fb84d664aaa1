//! A file that is written as a whole or not at all.
//!
//! It is written beside its place and moved there at the end, so that what was there before is kept until the new one is
//! whole. Standard output, pipes and devices get what is written as it comes.

use crate::error::Error;
use crate::files::{STANDARD, output_name, resolved, with_suffix};
use crate::interrupt::Interrupt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a command writes: standard output, or a file.
pub struct OutputFile {
    name: String,
    output: BufWriter<Sink>,
    /// What is written and where it belongs; `None` for standard output, pipes and devices.
    unfinished: Option<Unfinished>,
    /// Once a stop is asked for, writing fails.
    interrupt: Option<Interrupt>,
}

enum Sink {
    Stdout(io::Stdout),
    File(File),
}

/// A file that is removed when dropped, unless it was put in its place before.
struct Unfinished {
    path: PathBuf,
    place: PathBuf,
}

impl OutputFile {
    /// Opens the file, or standard output if `path` is `-`.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let name = output_name(path);
        let failed = |source| Error::Output { name: name.clone(), source };
        let (sink, unfinished) = if path == Path::new(STANDARD) {
            (Sink::Stdout(io::stdout()), None)
        } else if path.is_dir() {
            return Err(Error::IsADirectory { name });
        } else if path.exists() && !path.is_file() {
            (Sink::File(File::options().write(true).open(path).map_err(failed)?), None)
        } else {
            let place = resolved(path);
            let path = with_suffix(&place, format!(".{}.partial", std::process::id()));
            // Nobody else has this process's number: what is there was left by one that was killed.
            let _ = fs::remove_file(&path);
            let file = File::create_new(&path).map_err(failed)?;
            (Sink::File(file), Some(Unfinished { path, place }))
        };
        Ok(Self { name, output: BufWriter::new(sink), unfinished, interrupt: None })
    }

    /// The same, but writing fails once a stop is asked for, so that whatever writes here ends.
    #[must_use]
    pub fn stopped_by(self, interrupt: &Interrupt) -> Self {
        Self { interrupt: Some(interrupt.clone()), ..self }
    }

    /// Gives an error of writing the file's name.
    pub fn failed(&self, source: io::Error) -> Error {
        Error::Output { name: self.name.clone(), source }
    }

    /// Writes the first bytes once more; what was written before must have been to a file.
    pub fn rewrite_start(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.flush()?;
        match self.output.get_mut() {
            Sink::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(bytes)
            }
            Sink::Stdout(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// Makes sure that all of it is there, and puts it in its place.
    pub fn finish(mut self) -> Result<(), Error> {
        let finished = self.output.flush().and_then(|()| match (&self.unfinished, self.output.get_ref()) {
            (Some(Unfinished { path, place }), Sink::File(file)) => {
                file.sync_all()?;
                fs::rename(path, place)
            }
            _ => Ok(()),
        });
        finished.map_err(|source| self.failed(source))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.interrupt.as_ref().is_some_and(Interrupt::requested) {
            // Not `ErrorKind::Interrupted`, which means to try again.
            return Err(io::Error::other("stopped"));
        }
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout(stdout) => stdout.write(bytes),
            Sink::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stdout(stdout) => stdout.flush(),
            Sink::File(file) => file.flush(),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once it was moved, there is nothing left here to remove.
        let _ = fs::remove_file(&self.path);
    }
}
