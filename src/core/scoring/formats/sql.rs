//! SQL in answers.
use super::blocks::find_block;
use super::{Fault, check};
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SqlDialect {
    #[default]
    Generic,
}
impl SqlDialect {
    pub fn named(_: &str) -> Option<Self> {
        Some(Self::Generic)
    }
}
pub fn is_sql(answer: &str, _: SqlDialect) -> Result<(), String> {
    check(answer, |_| Err(Fault::new(0, "x")))
}
pub fn find_sql(text: &str) -> Option<&str> {
    find_block(text, &["sql"])
}
