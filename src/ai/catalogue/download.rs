//! One file from a server, in pieces if need be.
//!
//! What has arrived lies in `NAME.part`, and beside it in `NAME.part.json` what the server said of the
//! file. The next call, also of another process, asks for the rest with a Range, on the condition that
//! the file is still the same (If-Range, RFC 9110 13.1.5). A server that ignores ranges, or has another
//! file by now, sends the whole one, and it is begun anew. Connections that are cut are taken up again a
//! bounded number of times.

use super::fetch::FetchError;
use crate::new_file::WriteFileError;
use crate::progress::{Cancelled, Progress};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// Tries in a row that bring nothing new before it is given up.
const TRIES: u32 = 4;
/// Tries in all.
const TRIES_IN_ALL: u32 = 50;
/// The wait before the second try; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Bytes read at once: the unit of progress and cancel.
const PIECE: usize = 128 << 10;

/// What the server said of a file of which a part is here.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    url: String,
    /// A strong entity tag, else the date of the last change.
    validator: Option<String>,
    total: Option<u64>,
}

/// A file on its way.
pub(super) struct Download<'a> {
    pub url: &'a str,
    pub part: &'a Path,
    /// Told the bytes there are and, where known, all of them.
    pub report: &'a dyn Fn(u64, Option<u64>) -> Result<(), Cancelled>,
    pub progress: &'a Progress,
}

/// The place of what is known of a part.
pub(super) fn known_path(part: &Path) -> PathBuf {
    part.with_extension("part.json")
}

/// The programs' way to servers.
pub(super) fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("delineo/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_mins(1)))
        .timeout_per_read(Some(Duration::from_secs(20)))
        .build();
    Agent::new_with_config(config)
}

/// How one try ended.
enum Try {
    Whole,
    /// A cut connection or a busy server, in words.
    Again(String),
}

impl Download<'_> {
    /// Fetches the file, or what is missing of it.
    pub(super) fn run(&self, agent: &Agent) -> Result<(), FetchError> {
        let mut fruitless = 0;
        for _ in 0..TRIES_IN_ALL {
            let before = self.size();
            let reason = match self.attempt(agent)? {
                Try::Whole => return Ok(()),
                Try::Again(reason) => reason,
            };
            fruitless = if self.size() > before { 0 } else { fruitless + 1 };
            if fruitless == TRIES {
                return Err(FetchError::Unreachable { reason, url: self.url.to_owned() });
            }
            tracing::warn!("{}: {reason}; trying again", self.url);
            self.wait(FIRST_WAIT * 2_u32.pow(fruitless))?;
        }
        let reason = "the connection is cut again and again".to_owned();
        Err(FetchError::Unreachable { reason, url: self.url.to_owned() })
    }

    fn size(&self) -> u64 {
        std::fs::metadata(self.part).map_or(0, |data| data.len())
    }

    fn wait(&self, time: Duration) -> Result<(), Cancelled> {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = time;
        while !left.is_zero() {
            self.progress.check()?;
            let step = left.min(STEP);
            std::thread::sleep(step);
            left -= step;
        }
        self.progress.check()
    }

    fn unwritable(&self, error: &io::Error) -> FetchError {
        FetchError::Disk(WriteFileError::from_io(error, self.part))
    }

    fn known(&self) -> Known {
        let bytes = std::fs::read(known_path(self.part)).unwrap_or_default();
        let known: Known = serde_json::from_slice(&bytes).unwrap_or_default();
        if known.url == self.url { known } else { Known::default() }
    }

    fn attempt(&self, agent: &Agent) -> Result<Try, FetchError> {
        let known = self.known();
        let have = if known.validator.is_some() { self.size() } else { 0 };
        if have > 0 && known.total == Some(have) {
            return Ok(Try::Whole);
        }
        let mut request = agent.get(self.url);
        if let Some(validator) = known.validator.as_deref().filter(|_| have > 0) {
            request = request.header(header::RANGE, format!("bytes={have}-"));
            request = request.header(header::IF_RANGE, validator);
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::BadUri(reason)) => {
                return Err(FetchError::Refused { reason, url: self.url.to_owned() });
            }
            Err(error) => return Ok(Try::Again(said(&error))),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => self.receive(response, have, &known),
            StatusCode::OK => {
                let fresh = Known {
                    url: self.url.to_owned(),
                    validator: validator(&response),
                    total: response.body().content_length(),
                };
                self.receive(response, 0, &fresh)
            }
            // What is here is no part of what is there.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.forget();
                Ok(Try::Again("the server has another file than before".to_owned()))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(FetchError::NotThere { url: self.url.to_owned() })
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Ok(Try::Again(format!("the server says {status}")))
            }
            status => {
                let reason = format!("the server says {status}");
                Err(FetchError::Refused { reason, url: self.url.to_owned() })
            }
        }
    }

    /// Removes the part and what is known of it.
    pub(super) fn forget(&self) {
        // A file that cannot be removed is written over.
        let _ = std::fs::remove_file(known_path(self.part));
        let _ = std::fs::remove_file(self.part);
    }

    /// Appends a response's body after `from` bytes.
    fn receive(&self, response: Response<Body>, from: u64, known: &Known) -> Result<Try, FetchError> {
        if from == 0 {
            // First the part, so that a part never lies beside what is known of another file.
            self.forget();
            File::create(self.part).map_err(|error| self.unwritable(&error))?;
            let text = serde_json::to_vec(known).unwrap_or_default();
            std::fs::write(known_path(self.part), text).map_err(|error| self.unwritable(&error))?;
        }
        let mut file =
            OpenOptions::new().append(true).open(self.part).map_err(|error| self.unwritable(&error))?;
        let mut body = response.into_body().into_reader();
        let mut piece = vec![0; PIECE];
        let mut have = from;
        loop {
            (self.report)(have, known.total)?;
            let count = match body.read(&mut piece) {
                Ok(count) => count,
                Err(error) => return Ok(Try::Again(format!("the connection was cut ({error})"))),
            };
            if count == 0 {
                break;
            }
            file.write_all(&piece[..count]).map_err(|error| self.unwritable(&error))?;
            have += count as u64;
        }
        file.sync_all().map_err(|error| self.unwritable(&error))?;
        match known.total {
            Some(total) if have < total => Ok(Try::Again("the connection was cut".to_owned())),
            Some(total) if have > total => {
                self.forget();
                Ok(Try::Again("the server sent more than it said".to_owned()))
            }
            _ => Ok(Try::Whole),
        }
    }
}

/// Whether a partial response goes on after `have` bytes.
fn starts_at(response: &Response<Body>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok());
    start == Some(have)
}

/// What tells whether the file is the same later: a strong entity tag, else the date of its last
/// change.
fn validator(response: &Response<Body>) -> Option<String> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(header::ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(header::LAST_MODIFIED))
}

/// An error of the way there, for a person.
fn said(error: &ureq::Error) -> String {
    const NO_SERVER: &str = "there is no such server, or no connection";
    match error {
        ureq::Error::HostNotFound => NO_SERVER.to_owned(),
        // What the system's resolver says, which has no kind of its own.
        ureq::Error::Io(error) if error.to_string().starts_with("failed to lookup address") => {
            NO_SERVER.to_owned()
        }
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nothing answers there".to_owned()
        }
        ureq::Error::Timeout(_) => "it does not answer in time".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
