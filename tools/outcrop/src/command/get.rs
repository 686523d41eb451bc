//! `outcrop get`.

use core::time::Duration;

use outcrop_socket::timeout;

use crate::cli;
use crate::failure::Failure;
use crate::fetch::{Fetch, Manner};
use crate::host::{Host, Place};
use crate::resolve::resolve;
use crate::secure;

/// Fetches a URL; status 0 if the server gave it.
pub(crate) fn run(options: &cli::Get, verbose: bool) -> Result<u8, Failure> {
    let first = options.asking.proxy.as_ref().unwrap_or(&options.url);
    // Before anything is set up: a name that is none should not cost a device.
    let _known = resolve(&first.host, first.port)?;
    let mut host = Host::start(&options.net, options.tcp.config()?, Place::Here, "get")?;
    let shard = host.shard().clone();
    let manner = Manner {
        quiet: options.quiet,
        include: options.include,
        verbose,
        output: options.output.clone(),
    };
    let tls = secure::client(options, &shard)?;
    let fetch = Fetch::new(
        &shard,
        options.url.clone(),
        options.asking.clone(),
        manner,
        tls,
    )?;
    let limit = Duration::from_secs(options.timeout);
    let fetched = host.run(move |_| async move { timeout(&shard, limit, fetch.run()).await })?;
    let remains = host.finish()?;
    let late = |_| {
        Failure::new(format!(
            "{}: not done within {} s",
            options.url, options.timeout
        ))
    };
    let fetched = fetched.map_err(late)??;
    if options.tcp.explain {
        eprint!("{}", remains.accounts);
    }
    if !options.quiet || options.timing {
        eprintln!("{}", fetched.timing);
    }
    if !options.quiet {
        remains.say_capture();
    }
    fetched.judge()
}
