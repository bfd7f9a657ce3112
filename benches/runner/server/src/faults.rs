//! Which requests fail, and how.

use clap::Args;

/// A fault of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Status 429 with `Retry-After: 1`.
    TooMany,
    /// Status 500.
    Internal,
    /// The connection is reset (over HTTP/2 only the stream).
    Reset,
    /// Less of the body is sent than announced, then the connection is closed.
    Truncate,
    /// No response at all.
    Stall,
}

impl Fault {
    pub const ALL: [(Fault, &str); 5] = [
        (Fault::TooMany, "429"),
        (Fault::Internal, "500"),
        (Fault::Reset, "reset"),
        (Fault::Truncate, "truncate"),
        (Fault::Stall, "stall"),
    ];
}

/// The share of messages that each fault hits.
#[derive(Args)]
pub struct Rates {
    /// Share answered with 429 and `Retry-After: 1` at the first request.
    #[arg(long, default_value_t = 0.0)]
    rate_429: f64,
    /// Share answered with 500 at the first request.
    #[arg(long, default_value_t = 0.0)]
    rate_500: f64,
    /// Share whose connection is reset at the first request.
    #[arg(long, default_value_t = 0.0)]
    rate_reset: f64,
    /// Share whose first response is cut off.
    #[arg(long, default_value_t = 0.0)]
    rate_truncate: f64,
    /// Share that gets no response to the first request, so that the client has to time out.
    #[arg(long, default_value_t = 0.0)]
    rate_stall: f64,
}

impl Rates {
    /// The fault of the first request for a message with this hash: each fault has its own part of the range of hashes.
    pub fn draw(&self, hash: u64) -> Option<Fault> {
        let mut place = hash as f64 / u64::MAX as f64;
        let rates = [self.rate_429, self.rate_500, self.rate_reset, self.rate_truncate, self.rate_stall];
        for ((fault, _), rate) in Fault::ALL.into_iter().zip(rates) {
            if place < rate {
                return Some(fault);
            }
            place -= rate;
        }
        None
    }
}

/// FNV-1a with the finaliser of MurmurHash3, which spreads messages that differ only in their last digits over the
/// whole range. Implemented here because the standard library's hash may change between releases, and with it the
/// faults.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_affects_its_share_of_messages() {
        let rates = Rates { rate_429: 0.05, rate_500: 0.03, rate_reset: 0.01, rate_truncate: 0.01, rate_stall: 0.01 };
        let drawn: Vec<_> =
            (0..10_000).filter_map(|i| rates.draw(hash(format!("question {i:05}").as_bytes()))).collect();
        for ((fault, name), wanted) in Fault::ALL.into_iter().zip([500, 300, 100, 100, 100]) {
            let hit = drawn.iter().filter(|other| **other == fault).count();
            assert!(hit.abs_diff(wanted) < wanted / 3, "{name}: {hit} of 10000");
        }
    }
}
