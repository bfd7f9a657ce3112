//! Answers inside a Markdown code fence.

/// The content of a Markdown code fence if the whole answer is one, otherwise the answer. Surrounding white space is
/// dropped.
pub fn unfenced(output: &str) -> &str {
    let output = output.trim();
    let fence = output.len() - output.trim_start_matches('`').len();
    let (open, rest) = output.split_at(fence);
    match rest.strip_suffix(open) {
        Some(inside) if fence >= 3 => match inside.split_once('\n') {
            // The first line of a fence names the language.
            Some((info, body)) if info.trim().chars().all(|c| c.is_alphanumeric() || "-_+.".contains(c)) => body.trim(),
            _ => inside.trim(),
        },
        _ => output,
    }
}
