//! Files from elsewhere, whole or not at all: resumed, checked, renamed.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use md5::Md5;
use sha2::{Digest, Sha256};
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::{Agent, Body};

/// Broken transfers in a row, each without a byte gained, after which to give up.
const MAX_IDLE_ATTEMPTS: u32 = 3;

/// How long to wait for a connection.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(10);

/// How long to wait for an answer, or for the next bytes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait before trying again, after each attempt in vain.
const PAUSE: Duration = Duration::from_secs(1);

const BUFFER: usize = 64 * 1024;

/// What a whole file hashes to, in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    Md5(&'static str),
    Sha256(&'static str),
}

impl Checksum {
    fn expected(self) -> &'static str {
        match self {
            Self::Md5(digits) | Self::Sha256(digits) => digits,
        }
    }

    fn of_file(self, path: &Path) -> Result<String> {
        match self {
            Self::Md5(_) => digest::<Md5>(path),
            Self::Sha256(_) => digest::<Sha256>(path),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(digits) => write!(f, "md5 {digits}"),
            Self::Sha256(digits) => write!(f, "sha256 {digits}"),
        }
    }
}

fn digest<D: Digest>(path: &Path) -> Result<String> {
    let context = || format!("failed to read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut hasher = D::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = file.read(&mut buffer).with_context(context)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Checks a file against its checksum.
pub(crate) fn verify(path: &Path, checksum: Checksum) -> Result<()> {
    let got = checksum.of_file(path)?;
    ensure!(got == checksum.expected(), "{} should have {checksum}, but has {got}", path.display());
    Ok(())
}

/// Copies a file and checks it.
pub(crate) fn copy(source: &Path, path: &Path, checksum: Checksum) -> Result<()> {
    if is_there(path, checksum)? {
        return Ok(());
    }
    verify(source, checksum)?;
    let part = prepare(path)?;
    // Not `fs::copy`: a source that may only be read would leave a part that cannot be written again.
    let write = || io::copy(&mut File::open(source)?, &mut File::create(&part)?);
    write().with_context(|| format!("failed to write {}", part.display()))?;
    finish(&part, path, checksum)
}

/// Downloads a file and checks it; what an earlier, broken transfer left is not fetched again.
pub(crate) fn download(address: &str, path: &Path, checksum: Checksum) -> Result<()> {
    if is_there(path, checksum)? {
        return Ok(());
    }
    let part = prepare(path)?;
    let progress = progress(path)?;
    let mut idle = 0;
    loop {
        let before = size(&part);
        let Err(error) = transfer(address, &part, &progress) else { break };
        idle = if before < size(&part) { 0 } else { idle + 1 };
        if error.is::<Refused>() || MAX_IDLE_ATTEMPTS <= idle {
            return Err(error);
        }
        progress.suspend(|| eprintln!("{error:#}; trying again"));
        thread::sleep(PAUSE * idle);
    }
    progress.finish();
    finish(&part, path, checksum)
}

/// Whether the file is there; if it is, it must be whole.
fn is_there(path: &Path, checksum: Checksum) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    verify(path, checksum).context("remove the file to get it anew")?;
    Ok(true)
}

/// Makes the folder; returns where the unfinished file lies.
fn prepare(path: &Path) -> Result<PathBuf> {
    if let Some(folder) = path.parent() {
        let context = || format!("failed to make {}", folder.display());
        fs::create_dir_all(folder).with_context(context)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    Ok(PathBuf::from(part))
}

fn size(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |metadata| metadata.len())
}

fn progress(path: &Path) -> Result<ProgressBar> {
    let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ProgressBar::no_length()
        .with_style(ProgressStyle::with_template(template)?)
        .with_message(name))
}

/// The server said no: trying again would not help.
#[derive(Debug)]
struct Refused(StatusCode);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// One attempt: asks for what is missing and appends it.
fn transfer(address: &str, part: &Path, progress: &ProgressBar) -> Result<()> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE_TO_CONNECT))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .into();
    let have = size(part);
    let mut request = agent.get(address);
    if 0 < have {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let mut response = request.call().context("failed to reach the server")?;

    let start = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
            ensure!(
                range.and_then(start_of) == Some(have),
                "the server sent a range not asked for"
            );
            have
        }
        // Nothing is left to send: the checksum will tell whether the part is whole.
        StatusCode::RANGE_NOT_SATISFIABLE if 0 < have => return Ok(()),
        // A server that is busy or broken may mend.
        StatusCode::TOO_MANY_REQUESTS => bail!("the server answered {}", response.status()),
        status if status.is_server_error() => bail!("the server answered {status}"),
        status => bail!(Refused(status)),
    };
    append(response.body_mut(), part, start, progress)
}

/// The first byte of a `Content-Range: bytes 5-9/10`.
fn start_of(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn append(body: &mut Body, part: &Path, start: u64, progress: &ProgressBar) -> Result<()> {
    let context = || format!("failed to write {}", part.display());
    let mut options = OpenOptions::new();
    if start == 0 {
        options.write(true).create(true).truncate(true);
    } else {
        options.append(true);
    }
    let mut file = options.open(part).with_context(context)?;
    let end = body.content_length().map(|length| start + length);
    if let Some(end) = end {
        progress.set_length(end);
    }
    progress.set_position(start);

    let mut reader = progress.wrap_read(body.as_reader());
    let mut buffer = vec![0; BUFFER];
    let mut have = start;
    loop {
        let count = reader.read(&mut buffer).with_context(|| broken(have, end))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).with_context(context)?;
        have += count as u64;
    }
    ensure!(end.is_none_or(|end| end == have), broken(have, end));
    Ok(())
}

fn broken(have: u64, end: Option<u64>) -> String {
    match end {
        Some(end) => format!("the transfer broke off at {have} of {end} bytes"),
        None => format!("the transfer broke off at {have} bytes"),
    }
}

/// Checks the unfinished file and gives it its name; a wrong one is removed.
fn finish(part: &Path, path: &Path, checksum: Checksum) -> Result<()> {
    if let Err(error) = verify(part, checksum) {
        let context = || format!("failed to remove {}", part.display());
        fs::remove_file(part).with_context(context)?;
        return Err(error.context("the file is not the one expected and was removed"));
    }
    let rename = || -> io::Result<()> {
        File::open(part)?.sync_all()?;
        fs::rename(part, path)
    };
    rename().with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
