//! `outcrop serve`.

use crate::cli;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::report::Report;
use crate::server::Server;
use crate::signals;
use crate::site::Site;

/// Serves until asked to stop.
pub(crate) fn run(options: &cli::Serve) -> Result<u8, Failure> {
    let site = Site::new(options.serving.root.as_deref())?;
    let mut host = Host::start(&options.net, options.tcp.config()?, Place::Here, "serve")?;
    let stop = signals::stop()?;
    let (shard, serving, net) = (
        host.shard().clone(),
        options.serving.clone(),
        options.net.clone(),
    );
    let served = host.run(move |tasks| async move {
        let server = Server::start(&shard, &tasks, &serving, &site)?;
        say_where(&serving, &net);
        stop.await;
        println!("stopping");
        Ok(server.stop().await)
    })??;
    let remains = host.finish()?;
    print!(
        "{}",
        Report {
            counters: &remains.counters,
            tcp: &remains.tcp,
            served
        }
    );
    if options.tcp.explain {
        print!("{}", remains.accounts);
    }
    remains.say_capture();
    Ok(0)
}

fn say_where(serving: &cli::Serving, net: &cli::Net) {
    let port = if serving.port == 80 {
        String::new()
    } else {
        format!(":{}", serving.port)
    };
    println!(
        "serving http://{}{port}/ and http://[{}]{port}/ until Ctrl-C",
        net.addr.address, net.addr6.address
    );
}
