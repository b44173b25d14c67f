//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

pub const USAGE: &str = "usage: rust-pair --role client --listen IP:PORT --target IP:PORT [...] --peer IP:PORT --certs DIR [--workers N]
       rust-pair --role server --listen IP:PORT --certs DIR [--workers N]
       rust-pair --role handshakes --peer IP:PORT --certs DIR --connections N --seconds S --warm S";

#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    Client,
    Server,
    Handshakes,
}

pub struct Options {
    pub role: Role,
    pub listen: Vec<SocketAddr>,
    /// For each of `listen`, where the peer shall connect to.
    pub targets: Vec<SocketAddr>,
    pub peer: Option<SocketAddr>,
    pub certs: PathBuf,
    pub workers: usize,
    pub connections: usize,
    pub seconds: f64,
    pub warm_seconds: f64,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut role = None;
        let mut options = Options {
            role: Role::Client,
            listen: Vec::new(),
            targets: Vec::new(),
            peer: None,
            certs: PathBuf::new(),
            workers: 1,
            connections: 1,
            seconds: 1.0,
            warm_seconds: 0.0,
        };
        while let Some(name) = words.next() {
            let value = words.next().ok_or(format!("{name} needs a value"))?;
            match name.as_str() {
                "--role" => {
                    role = Some(match value.as_str() {
                        "client" => Role::Client,
                        "server" => Role::Server,
                        "handshakes" => Role::Handshakes,
                        _ => return Err(format!("there is no role {value}")),
                    })
                }
                "--listen" => options.listen.push(parsed(&value)?),
                "--target" => options.targets.push(parsed(&value)?),
                "--peer" => options.peer = Some(parsed(&value)?),
                "--certs" => options.certs = PathBuf::from(value),
                "--workers" => options.workers = parsed(&value)?,
                "--connections" => options.connections = parsed(&value)?,
                "--seconds" => options.seconds = parsed(&value)?,
                "--warm" => options.warm_seconds = parsed(&value)?,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        options.role = role.ok_or("--role is missing")?;
        if options.role == Role::Client && options.listen.len() != options.targets.len() {
            return Err("each --listen needs its --target".into());
        }
        if options.role != Role::Server && options.peer.is_none() {
            return Err("--peer is missing".into());
        }
        Ok(options)
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} can not be read"))
}
