//! HTTPS.
//!
//! Job: find or make the certificate, keep it fresh, and say where keys go. Owns: the authority of this run, if no
//! certificate was named; the file in which children find it. Does not know: connections.

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use outcrop_stack::Shard;
use outcrop_tls::{
    Authority, Client, ClientTls, Identity, IdentityError, KeySink, Server, ServerTls,
};
use tempfile::NamedTempFile;

use crate::cli::{Get, Net, Secure};
use crate::failure::Failure;

/// What the certificate of the run's own authority is made out to, besides the addresses.
const NAMES: [&str; 2] = ["outcrop.test", "localhost"];
/// What is spoken over TLS: the older one is what `curl -0` asks for.
const SPOKEN: [&str; 2] = ["http/1.1", "http/1.0"];
/// How often renewed files are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// Where programs look for authorities to trust: OpenSSL's own name, then those of programs that have another.
const TRUST: [&str; 5] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
];
/// Where Debian, and where Fedora, keep the authorities that the system trusts.
const SYSTEM: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// The variable that asks for a key log, in every program that writes one.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// What the server needs for HTTPS.
#[derive(Debug)]
pub(crate) struct Https {
    /// The port.
    pub(crate) port: u16,
    /// The settings.
    pub(crate) tls: ServerTls,
    files: Vec<(PathBuf, PathBuf)>,
    /// The authority's certificate, for a child.
    trust: Option<NamedTempFile>,
}

impl Https {
    /// What `secure` asks for; nothing if it asks for nothing.
    pub(crate) fn new(secure: &Secure, net: &Net, shard: &Shard) -> Result<Option<Self>, Failure> {
        if !(secure.tls || !secure.cert.is_empty() || secure.client_ca.is_some()) {
            return Ok(None);
        }
        let files = pairs(secure)?;
        let (identities, authority) = if files.is_empty() {
            let (identity, authority) = made_for(net)?;
            (vec![identity], Some(authority))
        } else {
            (read_all(&files).map_err(tls_failure)?, None)
        };
        let mut server = Server::new(identities).alpn(&SPOKEN);
        if let Some(path) = &secure.client_ca {
            let text =
                fs::read(path).map_err(|error| Failure::file("--client-ca", path, &error))?;
            server = server
                .require_clients_of_pem(&text)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        if let Some(sink) = key_sink(secure.keys, shard)? {
            server = server.keys(sink);
        }
        let https = Self {
            port: secure.tls_port,
            tls: server.build().map_err(tls_failure)?,
            files,
            trust: authority.as_ref().map(trust_file).transpose()?,
        };
        if let Some(authority) = &authority {
            publish(authority, secure)?;
        }
        Ok(Some(https))
    }

    /// Makes `command` trust us.
    pub(crate) fn introduce(&self, command: &mut Command) {
        if let Some(file) = &self.trust {
            for name in TRUST {
                command.env(name, file.path());
            }
        }
    }

    /// Watches the files and takes them again when they were renewed; for ever.
    pub(crate) fn renewals(&self, shard: &Shard) -> impl Future<Output = ()> + use<> {
        let (files, tls, shard) = (self.files.clone(), self.tls.clone(), shard.clone());
        async move {
            let changed = || -> Vec<Option<SystemTime>> {
                let time = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified());
                files.iter().map(|(cert, _)| time(cert).ok()).collect()
            };
            let mut known = changed();
            while !files.is_empty() {
                shard.sleep_until(shard.now() + LOOK).await;
                let now = changed();
                if now.contains(&None) || now == known {
                    continue;
                }
                known = now;
                match read_all(&files) {
                    Ok(identities) => {
                        tls.replace(identities);
                        log::info!("the certificates were taken again");
                    }
                    Err(error) => log::warn!("the old certificates stay: {error}"),
                }
            }
        }
    }
}

/// Each certificate with its key, in the order given.
fn pairs(secure: &Secure) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let (certs, keys) = (&secure.cert, &secure.key);
    if certs.len() != keys.len() {
        let (certs, keys) = (certs.len(), keys.len());
        return Err(Failure::new(format!(
            "--cert was given {certs} times and --key {keys} times: every certificate needs its key"
        )));
    }
    Ok(certs.iter().cloned().zip(keys.iter().cloned()).collect())
}

fn read_all(files: &[(PathBuf, PathBuf)]) -> Result<Vec<Identity>, IdentityError> {
    let read = |(cert, key): &(PathBuf, PathBuf)| Identity::from_files(cert, key);
    files.iter().map(read).collect()
}

/// How a client behaves; nothing if the URL asks for no TLS.
pub(crate) fn client(options: &Get, shard: &Shard) -> Result<Option<ClientTls>, Failure> {
    let proxy = options.asking.proxy.as_ref();
    let secure = options.urls.iter().any(|url| url.secure)
        || proxy.is_some_and(|proxy| proxy.place().secure);
    if !secure && !options.asking.location {
        return Ok(None);
    }
    match client_tls(options, shard) {
        Ok(tls) => Ok(Some(tls)),
        // It may never be wanted: whether a redirect leads to https is not known yet.
        Err(error) if !secure => {
            log::info!("{error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn client_tls(options: &Get, shard: &Shard) -> Result<ClientTls, Failure> {
    let client = if options.insecure {
        eprintln!("outcrop: --insecure: whoever answers may be anybody");
        Client::trusting_anybody()
    } else {
        let path = authorities(options)?;
        let text = fs::read(&path).map_err(|error| Failure::file("--cacert", &path, &error))?;
        Client::trusting_pem(&text)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?
    };
    let mut client = client.alpn(&["http/1.1"]);
    if let Some((cert, key)) = options.cert.as_ref().zip(options.key.as_ref()) {
        client = client.identity(Identity::from_files(cert, key).map_err(tls_failure)?);
    }
    if let Some(sink) = key_sink(options.keys, shard)? {
        client = client.keys(sink);
    }
    client.build().map_err(tls_failure)
}

/// The file of those to trust: the one named, the environment's, the system's.
fn authorities(options: &Get) -> Result<PathBuf, Failure> {
    let named = options.cacert.clone();
    let named = named.or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    let system = || SYSTEM.iter().map(PathBuf::from).find(|path| path.exists());
    named.or_else(system).ok_or_else(|| {
        Failure::new(
            "TLS: the system's list of authorities was not found: name one with --cacert FILE",
        )
    })
}

/// A certificate for the addresses of this run, and who signed it.
fn made_for(net: &Net) -> Result<(Identity, Authority), Failure> {
    let addresses = [net.addr, net.addr6].map(|cidr| cidr.address.to_string());
    let names: Vec<&str> = NAMES
        .into_iter()
        .chain(addresses.iter().map(String::as_str))
        .collect();
    let authority = Authority::new("this run only").map_err(tls_failure)?;
    let identity = authority.issue(&names).map_err(tls_failure)?;
    Ok((identity, authority))
}

/// Every program that reads one of the variables replaces its own list by the file, so that is all it will trust.
fn trust_file(authority: &Authority) -> Result<NamedTempFile, Failure> {
    let written = NamedTempFile::with_prefix("outcrop-authority-").and_then(|mut file| {
        file.write_all(authority.certificate_pem().as_bytes())?;
        Ok(file)
    });
    written.map_err(|error| Failure::new(format!("the authority's certificate: {error}")))
}

/// Says that the certificate is ours alone, and writes the authority's where it was asked for.
fn publish(authority: &Authority, secure: &Secure) -> Result<(), Failure> {
    match &secure.authority {
        Some(path) => {
            fs::write(path, authority.certificate_pem())
                .map_err(|error| Failure::file("--authority", path, &error))?;
            log::info!("the authority of this run is in {}", path.display());
        }
        None => log::info!(
            "the certificate is signed by an authority of this run only; --authority FILE writes it for clients to trust"
        ),
    }
    Ok(())
}

/// Where the keys of connections go: into the capture if that is wanted, and into the file the environment names.
fn key_sink(into_capture: bool, shard: &Shard) -> Result<Option<KeySink>, Failure> {
    let file = std::env::var_os(KEY_LOG).filter(|path| !path.is_empty());
    if !into_capture && file.is_none() {
        return Ok(None);
    }
    let file = file.map(PathBuf::from).map(|path| {
        let open = OpenOptions::new().create(true).append(true).open(&path);
        open.map_err(|error| Failure::file(KEY_LOG, &path, &error))
    });
    let file = file.transpose()?.map(Mutex::new);
    let capture = into_capture.then(|| shard.clone());
    if into_capture {
        eprintln!(
            "outcrop: --keys: whoever has the capture can read the encrypted connections in it"
        );
    }
    Ok(Some(KeySink::new(move |line| {
        if let Some(file) = &file {
            let mut file: std::sync::MutexGuard<'_, File> =
                file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(file, "{line}") {
                log::warn!("{KEY_LOG}: {error}");
            }
        }
        if let Some(shard) = &capture {
            shard.record_secret(line);
        }
    })))
}

fn tls_failure(error: impl core::fmt::Display) -> Failure {
    Failure::new(format!("TLS: {error}"))
}
