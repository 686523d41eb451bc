//! `outcrop get`.

use core::time::Duration;

use outcrop_socket::timeout;

use crate::cli;
use crate::failure::Failure;
use crate::fetch::{Fetch, Fetched, Manner};
use crate::host::{Host, Place};
use crate::resolve::resolve;
use crate::secure;
use crate::values::Url;

/// Fetches URLs; status 0 if the servers gave all of them.
pub(crate) fn run(options: &cli::Get, verbose: bool) -> Result<u8, Failure> {
    if options.output.is_some() && options.urls.len() > 1 {
        return Err(Failure::asked(
            "--output: one file for several URLs: fetch them one by one",
        ));
    }
    // Before anything is set up: a name that is none should not cost a device.
    match &options.asking.proxy {
        Some(proxy) => drop(resolve(&proxy.place().host, proxy.place().port)?),
        None => {
            for url in &options.urls {
                let _known = resolve(&url.host, url.port)?;
            }
        }
    }
    let mut host = Host::start(&options.net, options.tcp.config()?, Place::Here, "get")?;
    let shard = host.shard().clone();
    let manner = Manner {
        quiet: options.quiet,
        include: options.include,
        verbose,
        output: options.output.clone(),
    };
    let tls = secure::client(options, &shard)?;
    let fetch = Fetch::new(&shard, options, manner, tls)?;
    let limit = Duration::from_secs(options.timeout);
    let (urls, together) = (options.urls.clone(), options.pipeline);
    let fetched =
        host.run(move |_| async move { timeout(&shard, limit, all(fetch, urls, together)).await })?;
    let remains = host.finish()?;
    let names: Vec<String> = options.urls.iter().map(Url::to_string).collect();
    let late = |_| {
        Failure::new(format!(
            "{}: not done within {} s",
            names.join(" "),
            options.timeout
        ))
    };
    let (fetched, failed) = fetched.map_err(late)?;
    if options.tcp.explain {
        eprint!("{}", remains.accounts);
    }
    if !options.quiet || options.timing {
        for one in &fetched {
            eprintln!("{}", one.timing);
        }
    }
    if !options.quiet {
        remains.say_capture();
    }
    failed.map_or(Ok(()), Err)?;
    fetched
        .iter()
        .try_fold(0, |worst: u8, one| one.judge().map(|code| worst.max(code)))
}

/// One after the other, or all at once; what came, and what ended it.
async fn all(fetch: Fetch, urls: Vec<Url>, together: bool) -> (Vec<Fetched>, Option<Failure>) {
    if together {
        return match fetch.pipeline(urls).await {
            Ok(all) => (all, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
    }
    let mut done = Vec::new();
    for url in &urls {
        match fetch.run(url).await {
            Ok(fetched) => done.push(fetched),
            Err(failure) => return (done, Some(failure)),
        }
    }
    (done, None)
}
