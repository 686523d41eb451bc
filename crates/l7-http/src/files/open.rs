//! From a request's path to an open file, and never out of the folder.
//!
//! Job: decode, refuse what could escape, open, describe. Owns: the folder's descriptor.
//! Does not know: methods, fields. Two walls: names are checked here, and the kernel resolves them beneath
//! the descriptor (`openat2` with `RESOLVE_BENEATH`), so that no symbolic link leads out, not even one made a moment ago.
//! Sources: RFC 3986 sections 2.1 and 5.2.4; RFC 9110 section 17.3 (attacks based on file names).

use core::time::Duration;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

/// The folder.
#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
    /// Its real path: what a kernel without `openat2` is checked against.
    real: PathBuf,
}

/// What a path names.
pub(super) enum Found {
    File(Opened),
    /// A folder that was named without a slash at the end.
    Folder,
}

/// An open regular file.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) length: u64,
    /// Since 1970, to the nanosecond.
    pub(super) modified: Duration,
    pub(super) inode: u64,
    pub(super) media_type: String,
    pub(super) place: Place,
}

/// Where a file was found, and what changes there when anything about it does.
#[derive(Clone, Debug)]
pub(super) struct Place {
    relative: PathBuf,
    device: u64,
    inode: u64,
    length: i64,
    /// Since 1970, of contents, name and permissions.
    changed: (i64, i64),
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let real = path.canonicalize()?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&real, flags, Mode::empty())?;
        Ok(Self { fd, real })
    }

    /// The file that `path` (as in the request target) names.
    pub(super) fn find(&self, path: &str) -> Result<Found, StatusCode> {
        let mut relative = relative(path)?;
        if path.ends_with('/') {
            relative.push("index.html");
        }
        let file = self.open_beneath(&relative).map_err(|e| status_of(&e))?;
        let about = file.metadata().map_err(|e| status_of(&e))?;
        if about.is_dir() && !path.ends_with('/') {
            return Ok(Found::Folder);
        }
        if !about.is_file() {
            return Err(StatusCode::NOT_FOUND);
        }
        Ok(Found::File(Opened {
            file,
            length: about.len(),
            modified: modified(&about),
            inode: about.ino(),
            media_type: media_type(&relative),
            place: Place {
                device: about.dev(),
                inode: about.ino(),
                length: i64::try_from(about.len()).unwrap_or(i64::MAX),
                changed: (about.ctime(), about.ctime_nsec()),
                relative,
            },
        }))
    }

    /// The names in the folder at `path`, at most so many, and whether each is a folder: what `find` would find.
    pub(super) fn names(&self, path: &str, most: usize) -> io::Result<Vec<(bool, String)>> {
        let refused = |_| io::Error::from(io::ErrorKind::NotFound);
        let folder = self.open_beneath(&relative(path).map_err(refused)?)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name.starts_with('.') || names.len() >= most {
                continue;
            }
            let kind = entry.file_type();
            if kind.is_dir() || kind.is_file() {
                // Folders first.
                names.push((kind.is_dir(), name.to_owned()));
            } else if kind.is_symlink()
                && let Ok(there) = self.open_beneath(&relative(path).map_err(refused)?.join(name))
            {
                let about = there.metadata()?;
                if about.is_dir() || about.is_file() {
                    names.push((about.is_dir(), name.to_owned()));
                }
            }
        }
        Ok(names)
    }

    /// Whether the file there is still the same in every respect. Nothing is learned of a file that is another, so this
    /// may look where [`Root::find`] would not go.
    pub(super) fn unchanged(&self, place: &Place) -> bool {
        let there = rustix::fs::statat(&self.fd, &place.relative, AtFlags::empty());
        there.is_ok_and(|there| {
            let changed = (
                there.st_ctime,
                i64::try_from(there.st_ctime_nsec).unwrap_or(-1),
            );
            (there.st_dev, there.st_ino, there.st_size) == (place.device, place.inode, place.length)
                && changed == place.changed
        })
    }

    fn open_beneath(&self, relative: &Path) -> io::Result<File> {
        // Non-blocking, or a FIFO in the folder would hold us for ever. No effect on regular files.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.fd, relative, flags, Mode::empty(), beneath) {
            Ok(fd) => Ok(File::from(fd)),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                let real = self.real.join(relative).canonicalize()?;
                if !real.starts_with(&self.real) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let fd = rustix::fs::open(&real, flags, Mode::empty())?;
                Ok(File::from(fd))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The path below the folder. Decoded once; whatever could mean something else afterwards is refused.
fn relative(path: &str) -> Result<PathBuf, StatusCode> {
    let encoded = path.strip_prefix('/').ok_or(StatusCode::BAD_REQUEST)?;
    if !well_encoded(encoded.as_bytes()) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(encoded).collect();
    let text = String::from_utf8(decoded).map_err(|_| StatusCode::NOT_FOUND)?;
    if text.contains('\0') {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut relative = PathBuf::from(".");
    // A lone dot is where one is already (RFC 3986 section 5.2.4): apt asks for `/folder/./Packages`.
    for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
        // Hidden names are for the owner: `.git`, `.env`. `.well-known` is for everybody (RFC 8615).
        if part.starts_with('.') && part != ".well-known" {
            return Err(StatusCode::NOT_FOUND);
        }
        let mut components = Path::new(part).components();
        match (components.next(), components.next()) {
            (Some(Component::Normal(name)), None) => relative.push(name),
            (_, _) => return Err(StatusCode::NOT_FOUND),
        }
    }
    Ok(relative)
}

/// Whether every `%` begins two hexadecimal digits.
fn well_encoded(path: &[u8]) -> bool {
    path.split(|b| *b == b'%').skip(1).all(|after| {
        after
            .first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Nothing an error tells says more than "not here" or "not for you".
fn status_of(error: &io::Error) -> StatusCode {
    use io::ErrorKind;
    if error.kind() == ErrorKind::PermissionDenied {
        StatusCode::FORBIDDEN
    } else if matches!(error.raw_os_error(), Some(23 | 24)) {
        // Out of descriptors: ours, and passing (ENFILE, EMFILE).
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::NOT_FOUND
    }
}

fn modified(about: &std::fs::Metadata) -> Duration {
    let time = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn media_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let text = guess.type_() == mime_guess::mime::TEXT
        || guess.subtype() == mime_guess::mime::JAVASCRIPT
        || guess.subtype() == mime_guess::mime::JSON;
    if text && guess.get_param("charset").is_none() {
        format!("{guess}; charset=utf-8")
    } else {
        guess.to_string()
    }
}

impl Opened {
    /// What tells one state of a file from another.
    pub(super) const fn mark(&self) -> (u64, u64, Duration) {
        (self.inode, self.length, self.modified)
    }

    /// A strong validator: nanoseconds, length and file (RFC 9110 section 8.8.3).
    pub(super) fn etag(&self) -> String {
        let (inode, length, modified) = self.mark();
        format!("\"{:x}-{length:x}-{inode:x}\"", modified.as_nanos())
    }

    /// When it was changed last, to the second.
    pub(super) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds()))
    }

    /// Seconds since 1970 of the last change.
    pub(super) const fn seconds(&self) -> u64 {
        self.modified.as_secs()
    }

    pub(super) fn read_all(&self) -> io::Result<Bytes> {
        let capacity = usize::try_from(self.length).unwrap_or(0);
        let mut all = Vec::with_capacity(capacity);
        (&self.file).take(self.length).read_to_end(&mut all)?;
        if all.len() as u64 == self.length {
            Ok(Bytes::from(all))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
