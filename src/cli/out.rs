//! Standard output: where nobody reads on (`delineo info DIR | head`) the program ends quietly; where
//! it cannot be written (a full disk) it ends with a sentence, never with a panic.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Prints a line on standard output, as `println!` does.
macro_rules! outln {
    () => {
        $crate::cli::out::line(format_args!(""))
    };
    ($($argument:tt)*) => {
        $crate::cli::out::line(format_args!($($argument)*))
    };
}

/// See [`outln`].
pub(super) fn line(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    let Err(error) = writeln!(out, "{text}") else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    eprintln!("error: cannot write to standard output ({error}); send it somewhere with room");
    std::process::exit(1);
}
