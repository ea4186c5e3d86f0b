//! The nuclides of positron emission tomography and their half-lives, to find half-lives that
//! cannot be (minutes written as seconds, those of another nuclide).
//!
//! Half-lives: Decay Data Evaluation Project (LNHB), rounded.

/// Mass number, symbol, name as in the codes of PS3.16 CID 4020, half-life in seconds.
const NUCLIDES: [(&str, &str, &str, f64); 19] = [
    ("11", "c", "carbon", 1_221.8),
    ("13", "n", "nitrogen", 597.9),
    ("15", "o", "oxygen", 122.2),
    ("18", "f", "fluorine", 6_586.0),
    ("22", "na", "sodium", 82_116_000.0),
    ("43", "sc", "scandium", 14_010.0),
    ("44", "sc", "scandium", 14_290.0),
    ("45", "ti", "titanium", 11_090.0),
    ("52", "mn", "manganese", 483_100.0),
    ("61", "cu", "copper", 12_020.0),
    ("62", "cu", "copper", 580.4),
    ("64", "cu", "copper", 45_720.0),
    ("68", "ga", "gallium", 4_063.0),
    ("76", "br", "bromine", 58_300.0),
    ("82", "rb", "rubidium", 76.2),
    ("86", "y", "yttrium", 53_060.0),
    ("89", "zr", "zirconium", 282_300.0),
    ("90", "y", "yttrium", 230_600.0),
    ("124", "i", "iodine", 360_800.0),
];

/// A stated half-life may differ from the nuclide's by this part; the literature's differ by less.
const NAMED_TOLERANCE: f64 = 0.05;
/// The same where the nuclide is not stated, and any of them will do.
const UNNAMED_TOLERANCE: f64 = 0.02;

/// The one nuclide that `text` names ("^18^Fluorine", "F-18 FDG", "68Ga-PSMA"); `None` when it names
/// none or several.
fn named(text: &str) -> Option<usize> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let says = |(mass, symbol, name, _): &(&str, &str, &str, f64)| {
        [symbol, name]
            .into_iter()
            .any(|word| holds(&plain, &format!("{mass}{word}")) || holds(&plain, &format!("{word}{mass}")))
    };
    let mut found = (0..NUCLIDES.len()).filter(|n| says(&NUCLIDES[*n]));
    let first = found.next();
    if first.is_none() && (plain.contains("fdg") || plain.contains("fluorodeoxyglucose")) {
        return NUCLIDES.iter().position(|nuclide| nuclide.2 == "fluorine");
    }
    first.filter(|_| found.next().is_none())
}

/// Whether `text` contains `word`, not as part of a longer number.
fn holds(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        let longer_before = digit(word.chars().next()) && digit(before);
        let longer_after = digit(word.chars().next_back()) && digit(after);
        !longer_before && !longer_after
    })
}

/// Why `half_life_s` cannot be that of the nuclide named in `text` (of any nuclide, where the text
/// names none); `None` when it can.
pub(super) fn implausible_half_life(half_life_s: f64, text: &str) -> Option<String> {
    let near = |known: f64, tolerance: f64| (half_life_s / known - 1.0).abs() <= tolerance;
    if let Some(index) = named(text) {
        let (mass, symbol, name, known) = NUCLIDES[index];
        return (!near(known, NAMED_TOLERANCE)).then(|| {
            format!("the half-life of {half_life_s} s (RadionuclideHalfLife) is not that of {name}-{mass} ({symbol}{mass}, {known} s)")
        });
    }
    let known = NUCLIDES.iter().any(|nuclide| near(nuclide.3, UNNAMED_TOLERANCE));
    (!known).then(|| {
        format!("the half-life of {half_life_s} s (RadionuclideHalfLife) is that of no known nuclide (minutes written as seconds?)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nuclides_are_known_by_their_many_spellings() {
        let half_life = |text: &str| named(text).map(|n| NUCLIDES[n].3);
        for text in
            ["^18^Fluorine", "F-18", "18F-PSMA-1007", "Fluorodeoxyglucose F^18^", "FDG -- fluorodeoxyglucose"]
        {
            assert_eq!(half_life(text), Some(6_586.0), "{text}");
        }
        assert_eq!(half_life("68Ga PSMA-11"), Some(4_063.0));
        assert_eq!(half_life("^89^Zirconium"), Some(282_300.0));
        assert_eq!(half_life("Solution"), None);
        assert_eq!(half_life("11C and 18F"), None);
        assert_eq!(half_life("118F"), None);
    }

    #[test]
    fn minutes_are_not_seconds() {
        assert_eq!(implausible_half_life(6_588.0, ""), None);
        assert_eq!(implausible_half_life(6_588.0, "F-18"), None);
        for (wrong, nuclide) in [(109.8, ""), (109.8, "F-18"), (4_062.0, "F-18"), (20.4, "11C"), (1.83, "")] {
            assert!(implausible_half_life(wrong, nuclide).is_some(), "{wrong} {nuclide}");
        }
    }
}
