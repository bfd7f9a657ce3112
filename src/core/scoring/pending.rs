use super::rule::{Compile, Rule};
use crate::core::domain::scorer::tools::*;
macro_rules! p { ($($t:ty)*) => { $(impl Compile for $t { fn compile(&self) -> Result<Box<dyn Rule>, String> { Err("pending".into()) } })* } }
p!(ToolCalls ToolCallF1 ValidToolCalls);
