//! The yardstick of the benchmark: what a careful HBONE pair on tokio, rustls and h2 does. One binary with both ends
//! of the tunnel, and a client that does nothing but handshakes, for all peers alike.

mod carry;
mod client;
mod handshakes;
mod options;
mod server;
mod tls;

use options::{Options, Role};
use std::error::Error;
use std::process::ExitCode;

pub type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{}", options::USAGE);
            return ExitCode::from(64);
        }
    };
    let mut builder = if options.workers == 1 {
        // Without a second worker there is nothing to steal from, and this one saves its locks and wake-ups.
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let outcome = builder
        .worker_threads(options.workers)
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match options.role {
                    Role::Client => client::run(&options).await,
                    Role::Server => server::run(&options).await,
                    Role::Handshakes => handshakes::run(&options).await,
                }
            })
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("rust-pair: {failure}");
            ExitCode::FAILURE
        }
    }
}
