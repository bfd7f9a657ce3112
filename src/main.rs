//! The thin binary: parse, run, exit code.

fn main() -> std::process::ExitCode {
    karat::main()
}
