//! Arguments, logging, hand over. No logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    delineo::cli::main()
}
