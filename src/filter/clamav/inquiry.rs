//! What is asked of a server beside messages: PING, whether it is there, and VERSION, what it works with.

use std::time::Duration;

use super::address::Address;
use super::database::Version;
use super::failure::Failure;
use super::reply::printable;
use super::transport::{Limits, Route};

/// Asks for PING and for VERSION, all within `limit`. A server that is there and does not tell its version is well:
/// clamd can be told not to (`EnableVersionCommand`).
pub(super) async fn health(address: &Address, limit: Duration) -> Result<Option<Version>, Failure> {
    let asked = async {
        ping(address, limit).await?;
        match version(address, limit).await {
            Ok(version) => Ok(Some(version)),
            Err(Failure::Garbled(_) | Failure::Closed) => Ok(None),
            Err(failure) => Err(failure),
        }
    };
    // Each connection and each reply has the limit; together they have it once.
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Timeout(format!("no reply within {limit:?}"))),
    }
}

async fn ping(address: &Address, limit: Duration) -> Result<(), Failure> {
    match clamav_client::tokio::ping(route(address, limit)).await? {
        pong if pong == clamav_client::PONG => Ok(()),
        nothing if nothing.is_empty() => Err(Failure::Closed),
        other => Err(Failure::Garbled(printable(&other))),
    }
}

/// Asks for VERSION; connection and reply have `limit` each.
pub(super) async fn version(address: &Address, limit: Duration) -> Result<Version, Failure> {
    let reply = clamav_client::tokio::get_version(route(address, limit)).await?;
    match reply.strip_suffix(&[0]).and_then(Version::read) {
        Some(version) => Ok(version),
        None if reply.is_empty() => Err(Failure::Closed),
        None => Err(Failure::Garbled(printable(&reply))),
    }
}

fn route(address: &Address, limit: Duration) -> Route<'_> {
    Route {
        address,
        limits: Limits::all(limit),
        course: Default::default(),
    }
}
