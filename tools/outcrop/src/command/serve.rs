//! `outcrop serve`.

use std::sync::Arc;

use outcrop_stack::Tasks;

use crate::cli;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::lease;
use crate::news;
use crate::recording;
use crate::report::Report;
use crate::secure::Https;
use crate::server::{Main, Served, Server};
use crate::signals;
use crate::site::Site;
use crate::stop::{word, words};

/// Serves until asked to stop.
pub(crate) fn run(options: &cli::Serve) -> Result<u8, Failure> {
    let site = Site::of(&options.serving)?;
    let net = options.serving.watched(&options.net);
    let (tcp, queues) = (options.tcp.config()?, options.serving.queues);
    let mut host = Host::start_shards(&net, tcp, (Place::Here, "serve"), queues)?;
    let site = site.with_watch(host.watch(&net));
    let control = host.control(options.serving.control.as_deref())?;
    let https = Https::new(&options.serving.secure, &options.net, host.shard())?.map(Arc::new);
    let stop = signals::stop()?;
    let (end, ends) = words(queues.get() - 1);
    let others = host.shards().skip(1).zip(ends);
    let others = others.map(|(shard, over)| {
        Server::beside(shard, &options.serving, (&site, https.as_ref()), over)
    });
    let others: Vec<_> = others.collect();
    let announces = options.net.tap.is_some();
    let (shard, serving, net) = (
        host.shard().clone(),
        options.serving.clone(),
        options.net.clone(),
    );
    let first = move |tasks: Tasks| async move {
        // However this ends, the others end with it.
        let _end = end;
        let (give_back, over) = word();
        let keeper = lease::host(&shard, &net, over)?;
        let keeper = keeper.map(|keeper| tasks.spawn(keeper));
        if announces && keeper.is_none() {
            tasks.spawn(news::tell(shard.clone())).detach();
        }
        let server = Server::start(&shard, &tasks, &serving, (&site, https.as_deref()))?;
        server.keep_house(&tasks, https.as_deref());
        say_where(&serving, &net, https.as_deref());
        stop.await;
        say(&net, format_args!("stopping\n"));
        let served = server.stop().await;
        give_back.tell(());
        if let Some(keeper) = keeper {
            keeper.await;
        }
        Ok(served)
    };
    let first: Main = Box::new(|tasks| Box::pin(first(tasks)));
    let served = host.run_shards(core::iter::once(first).chain(others).collect())?;
    let served: Vec<_> = served.into_iter().collect::<Result<_, _>>()?;
    drop(control);
    let remains = host.finish()?;
    let report = Report {
        counters: &remains.counters,
        tcp: &remains.tcp,
        served: Served::of_all(&served),
    };
    say(&options.net, format_args!("{report}"));
    if options.tcp.explain {
        say(&options.net, format_args!("{}", remains.accounts));
    }
    remains.say_capture();
    Ok(0)
}

fn say_where(serving: &cli::Serving, net: &cli::Net, https: Option<&Https>) {
    let places = |scheme: &str, port: u16, usual: u16| {
        let port = if port == usual {
            String::new()
        } else {
            format!(":{port}")
        };
        let one = format!("{scheme}://{}{port}/", net.addr.address);
        let two = format!("{scheme}://[{}]{port}/", net.addr6.address);
        match (net.dhcp, net.slaac) {
            (false, false) => format!("{one} and {two}"),
            (false, true) => format!("{one} and {scheme} at each IPv6 address below"),
            (true, false) => format!("{two} and {scheme} at the IPv4 address below"),
            (true, true) => format!("{scheme}{port} at each address below"),
        }
    };
    let secure = https.map(|https| format!(", {}", places("https", https.port, 443)));
    say(
        net,
        format_args!(
            "serving {}{} until Ctrl-C\n",
            places("http", serving.port, 80),
            secure.unwrap_or_default()
        ),
    );
}

/// To people: on standard error, where standard output is a capture.
fn say(net: &cli::Net, text: core::fmt::Arguments<'_>) {
    if recording::is_live(net) {
        eprint!("{text}");
    } else {
        print!("{text}");
    }
}
