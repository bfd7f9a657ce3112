//! Which requests go wrong, and how.

use clap::Args;

/// What can go wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `Retry-After: 1`.
    TooMany,
    /// 500.
    Internal,
    /// The connection is reset (over HTTP/2 only the stream).
    Reset,
    /// Less of the body arrives than was promised, then the connection is closed.
    Truncate,
    /// No answer at all.
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
    /// Share answered 429 with `Retry-After: 1` when first asked.
    #[arg(long, default_value_t = 0.0)]
    rate_429: f64,
    /// Share answered 500 when first asked.
    #[arg(long, default_value_t = 0.0)]
    rate_500: f64,
    /// Share whose connection is reset when first asked.
    #[arg(long, default_value_t = 0.0)]
    rate_reset: f64,
    /// Share whose first answer breaks off.
    #[arg(long, default_value_t = 0.0)]
    rate_truncate: f64,
    /// Share never answered when first asked, so that the client's timeout has to end it.
    #[arg(long, default_value_t = 0.0)]
    rate_stall: f64,
}

impl Rates {
    /// The fault that hits a message with this hash when it is first asked: each has a band of the hashes' range.
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

/// FNV-1a with MurmurHash3's finish, which spreads messages that only differ in their last digits over the whole
/// range. Written out because the standard library's may change between releases, and with it the faults.
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
    fn each_fault_hits_its_share() {
        let rates = Rates { rate_429: 0.05, rate_500: 0.03, rate_reset: 0.01, rate_truncate: 0.01, rate_stall: 0.01 };
        let drawn: Vec<_> =
            (0..10_000).filter_map(|i| rates.draw(hash(format!("question {i:05}").as_bytes()))).collect();
        for ((fault, name), wanted) in Fault::ALL.into_iter().zip([500, 300, 100, 100, 100]) {
            let hit = drawn.iter().filter(|other| **other == fault).count();
            assert!(hit.abs_diff(wanted) < wanted / 3, "{name}: {hit} of 10000");
        }
    }
}
