//! Limits how many connections (behind a proxy, requests) one address may have at a time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// How often the log reports that an address is over the limit.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What each address has in progress.
#[derive(Debug, Clone)]
pub(crate) struct Peers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: u32,
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_hand: HashMap<IpAddr, u32>,
    said_at: Option<Instant>,
}

/// One connection or request in progress, until it is dropped.
#[derive(Debug)]
pub(crate) struct Visit {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    /// Makes a limit of `most` for each address. `what` names the counted things for the log.
    pub(crate) fn new(most: u32, what: &'static str) -> Self {
        Self(Arc::new(Shared { most, what, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent after each statement, so a panic in another thread has not damaged it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more for an address. Returns `None` if it already has the maximum.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Visit> {
        let address = block(address);
        let mut state = self.state();
        let count = state.in_hand.entry(address).or_default();
        if *count < self.0.most {
            *count += 1;
            return Some(Visit { peers: self.clone(), address });
        }
        if state.said_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            state.said_at = Some(Instant::now());
            warn!(%address, most = self.0.most, "an address has too many {}; more are refused", self.0.what);
        }
        None
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.peers.state();
        if let Some(count) = state.in_hand.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.in_hand.remove(&self.address);
            }
        }
    }
}

/// Returns what counts as one address. For IPv6 it is a /64 network, because one machine has as many addresses as it
/// likes.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_as_it_may_and_no_more() {
        let peers = Peers::new(2, "things");
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = peers.enter(ip("192.0.2.1"));
        let second = peers.enter(ip("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some() && peers.enter(ip("192.0.2.1")).is_none());
        assert!(peers.enter(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(peers.enter(ip("192.0.2.1")).is_some());
        drop(second);
        assert!(peers.state().in_hand.is_empty());

        let networks = [peers.enter(ip("2001:db8::1")), peers.enter(ip("2001:db8::2"))];
        assert!(networks.iter().all(Option::is_some) && peers.enter(ip("2001:db8::3")).is_none());
        assert!(peers.enter(ip("2001:db8:0:1::1")).is_some());
    }
}
