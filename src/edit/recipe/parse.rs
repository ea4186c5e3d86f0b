//! Reading recipes, with errors that say where and what was expected.

use super::{Operation, Recipe};
use crate::edit::algebra::{Margin, SetRule};
use crate::patient::RoiId;

/// Nested deeper than this nobody can read it.
const DEEPEST: usize = 40;

/// A recipe with the name it is to have, where one is given (`PTV = ...`).
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The name before `=`.
    pub name: Option<String>,
    /// The recipe.
    pub recipe: Recipe,
}

/// A text that is no recipe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {})", .at + 1)]
pub struct ParseError {
    /// Where, in characters from 0.
    pub at: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// The recipe of `text`; `id_of` gives the structure of a name.
///
/// # Errors
/// [`ParseError`] says where the text is no recipe, or which structure there is none of.
pub fn parse(text: &str, id_of: &dyn Fn(&str) -> Option<RoiId>) -> Result<Definition, ParseError> {
    let tokens = tokens(text)?;
    let end = text.chars().count();
    let mut parser = Parser { tokens: &tokens, at: 0, end, depth: 0, id_of };
    let name = match &tokens[..] {
        [(_, Token::Name(name, _)), (_, Token::Sign('=')), ..] => {
            parser.at = 2;
            Some(name.clone())
        }
        _ => None,
    };
    let recipe = parser.sum()?;
    if parser.at < tokens.len() {
        return Err(parser.wrong("Expected an operator such as +, -, & or the end of the recipe"));
    }
    Ok(Definition { name, recipe })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name, and whether it stood in quotation marks.
    Name(String, bool),
    Id(u64),
    Number(f64),
    Sign(char),
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    let fail = |at: usize, message: &str| Err(ParseError { at, message: message.to_owned() });
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let run = |from: usize, wanted: &dyn Fn(char) -> bool| {
            chars[from..].iter().position(|c| !wanted(*c)).map_or(chars.len(), |n| from + n)
        };
        let token = match c {
            _ if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '"' => {
                let Some(length) = chars[at + 1..].iter().position(|c| *c == '"') else {
                    return fail(start, "A name in quotation marks does not end");
                };
                at += length + 2;
                Token::Name(chars[start + 1..at - 1].iter().collect(), true)
            }
            '{' => {
                let end = run(at + 1, &|c| c.is_ascii_digit());
                let digits: String = chars[at + 1..end].iter().collect();
                let Some(id) = digits.parse().ok().filter(|_| chars.get(end) == Some(&'}')) else {
                    return fail(start, "Braces hold the number of a structure");
                };
                at = end + 1;
                Token::Id(id)
            }
            '0'..='9' | '.' => {
                at = run(at, &|c| c.is_ascii_digit() || c == '.');
                let digits: String = chars[start..at].iter().collect();
                match digits.parse() {
                    Ok(number) => Token::Number(number),
                    Err(_) => return fail(start, "This is no number"),
                }
            }
            _ if c.is_alphabetic() || c == '_' => {
                at = run(at, &|c| c.is_alphanumeric() || c == '_');
                Token::Name(chars[start..at].iter().collect(), false)
            }
            '+' | '-' | '&' | '(' | ')' | ',' | '=' => {
                at += 1;
                Token::Sign(c)
            }
            _ => return fail(start, "This sign means nothing here; put names with it in quotation marks"),
        };
        out.push((start, token));
    }
    Ok(out)
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
    depth: usize,
    id_of: &'a dyn Fn(&str) -> Option<RoiId>,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn wrong(&self, message: impl Into<String>) -> ParseError {
        ParseError { at: self.tokens.get(self.at).map_or(self.end, |(at, _)| *at), message: message.into() }
    }

    fn is_sign(&self, sign: char) -> bool {
        self.peek(0) == Some(&Token::Sign(sign))
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(0), Some(Token::Name(name, false)) if name == word)
    }

    fn take_sign(&mut self, sign: char) -> Result<(), ParseError> {
        if self.is_sign(sign) {
            self.at += 1;
            return Ok(());
        }
        Err(self.wrong(format!("Expected {sign}")))
    }

    /// Whether a margin stands at the next token but `ahead`: a number, or directions in brackets.
    fn is_margin(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            Some(Token::Number(_)) => true,
            Some(Token::Sign('(')) => {
                matches!(self.peek(ahead + 1), Some(Token::Name(word, false)) if direction(word).is_some())
                    && matches!(self.peek(ahead + 2), Some(Token::Number(_)))
            }
            _ => false,
        }
    }

    fn sum(&mut self) -> Result<Recipe, ParseError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("The recipe is nested too deeply"));
        }
        let mut own = self.product()?;
        loop {
            let rule = if self.is_sign('+') || self.is_word("or") {
                SetRule::Union
            } else if self.is_sign('-') {
                SetRule::Subtraction
            } else if self.is_word("xor") {
                SetRule::SymmetricDifference
            } else {
                break;
            };
            let sign = matches!(self.peek(0), Some(Token::Sign(_)));
            self.at += 1;
            own = if sign && self.is_margin(0) {
                let margin = self.margin()?;
                let outward = rule == SetRule::Union;
                let operation = if outward { Operation::Expand(margin) } else { Operation::Contract(margin) };
                // A margin is of all before it, and so is what is cut from it.
                self.intersected(Recipe::Apply(operation, Box::new(own)))?
            } else {
                let other = self.product()?;
                joined(rule, own, other)
            };
        }
        self.depth -= 1;
        Ok(own)
    }

    fn product(&mut self) -> Result<Recipe, ParseError> {
        let own = self.postfix()?;
        self.intersected(own)
    }

    /// `own` with the intersections written behind it.
    fn intersected(&mut self, mut own: Recipe) -> Result<Recipe, ParseError> {
        while self.is_sign('&') || self.is_word("and") {
            self.at += 1;
            let other = self.postfix()?;
            own = joined(SetRule::Intersection, own, other);
        }
        Ok(own)
    }

    fn postfix(&mut self) -> Result<Recipe, ParseError> {
        let mut own = self.primary()?;
        loop {
            let outward = self.is_word("out");
            if !outward && !self.is_word("in") {
                return Ok(own);
            }
            self.at += 1;
            if !self.is_margin(0) {
                return Err(self.wrong("Expected a distance such as 3 mm"));
            }
            let margin = self.margin()?;
            let operation = if outward { Operation::Expand(margin) } else { Operation::Contract(margin) };
            own = Recipe::Apply(operation, Box::new(own));
        }
    }

    fn primary(&mut self) -> Result<Recipe, ParseError> {
        match self.peek(0).cloned() {
            Some(Token::Sign('(')) => {
                self.at += 1;
                let inner = self.sum()?;
                self.take_sign(')')?;
                Ok(inner)
            }
            Some(Token::Id(id)) => {
                self.at += 1;
                Ok(Recipe::Roi(RoiId(id)))
            }
            Some(Token::Name(word, false)) if self.peek(1) == Some(&Token::Sign('(')) => self.function(&word),
            Some(Token::Name(name, quoted)) => {
                if !quoted && ["in", "out", "or", "xor", "and", "mm", "cc"].contains(&name.as_str()) {
                    return Err(self.wrong(format!("Expected a structure before \"{name}\"")));
                }
                let id = (self.id_of)(&name)
                    .ok_or_else(|| self.wrong(format!("There is no structure named {name}")))?;
                self.at += 1;
                Ok(Recipe::Roi(id))
            }
            Some(Token::Number(_)) => {
                Err(self.wrong("A distance needs a structure before it, as in CTV + 5 mm"))
            }
            _ => Err(self.wrong("Expected the name of a structure")),
        }
    }

    fn function(&mut self, word: &str) -> Result<Recipe, ParseError> {
        let known = [
            "wall",
            "ring",
            "largest",
            "filled",
            "unholed",
            "above",
            "smooth",
            "smooth3d",
            "simple",
            "points",
            "extended",
            "resampled",
        ];
        if !known.contains(&word) {
            return Err(self.wrong(format!("There is no operation {word}; there are {}", known.join(", "))));
        }
        self.at += 2;
        let own = self.sum()?;
        let operation = match word {
            "wall" => {
                let inner_mm = self.argument(Some("mm"))?;
                Operation::Wall { inner_mm, outer_mm: self.argument(Some("mm"))? }
            }
            "ring" => {
                let gap_mm = self.argument(Some("mm"))?;
                Operation::Ring { gap_mm, width_mm: self.argument(Some("mm"))? }
            }
            "largest" => Operation::Largest,
            "filled" => Operation::Filled,
            "unholed" => Operation::Unholed,
            "above" => Operation::Above(self.argument(Some("cc"))?),
            "smooth" => Operation::Smooth(self.argument(Some("mm"))?),
            "smooth3d" => Operation::SmoothInSpace(self.argument(Some("mm"))?),
            "simple" => Operation::Simple(self.argument(Some("mm"))?),
            "points" => Operation::Points(self.count()?),
            "extended" => Operation::Extended(self.count()?),
            _ => Operation::Resampled,
        };
        self.take_sign(')')?;
        Ok(Recipe::Apply(operation, Box::new(own)))
    }

    fn argument(&mut self, unit: Option<&str>) -> Result<f64, ParseError> {
        self.take_sign(',')?;
        self.number(unit)
    }

    fn count(&mut self) -> Result<usize, ParseError> {
        let at = self.at + 1;
        let number = self.argument(None)?;
        if number.fract() != 0.0 || number > 1e9 {
            self.at = at;
            return Err(self.wrong("Expected a whole number"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, 0 to 1e9")]
        Ok(number as usize)
    }

    /// A number; a unit, where one is wanted, must follow.
    fn number(&mut self, unit: Option<&str>) -> Result<f64, ParseError> {
        let Some(Token::Number(number)) = self.peek(0) else {
            return Err(self.wrong("Expected a number"));
        };
        let number = *number;
        self.at += 1;
        if let Some(unit) = unit {
            if !self.is_word(unit) {
                return Err(self.wrong(format!("Expected {unit} after {number}")));
            }
            self.at += 1;
        }
        Ok(number)
    }

    fn margin(&mut self) -> Result<Margin, ParseError> {
        if !self.is_sign('(') {
            let distance = self.number(Some("mm"))?;
            return self.sane(Margin::uniform(distance));
        }
        self.at += 1;
        let mut distances = [0.0; 6];
        loop {
            let axis = match self.peek(0) {
                Some(Token::Name(word, false)) => direction(word),
                _ => None,
            };
            let Some(axis) = axis else {
                return Err(self.wrong(format!("Expected a direction: {}", DIRECTIONS.join(", "))));
            };
            self.at += 1;
            distances[axis] = self.number(None)?;
            if !self.is_sign(',') {
                break;
            }
            self.at += 1;
        }
        self.take_sign(')')?;
        if !self.is_word("mm") {
            return Err(self.wrong("Expected mm after the directions"));
        }
        self.at += 1;
        self.sane(Margin::from_array(distances))
    }

    fn sane(&self, margin: Margin) -> Result<Margin, ParseError> {
        if margin.largest_mm() <= 200.0 { Ok(margin) } else { Err(self.wrong("A margin is at most 200 mm")) }
    }
}

/// The names of the directions, in the order of [`Margin::to_array`].
pub(super) const DIRECTIONS: [&str; 6] = ["left", "right", "anterior", "posterior", "superior", "inferior"];

fn direction(word: &str) -> Option<usize> {
    DIRECTIONS.iter().position(|own| *own == word)
}

/// `own` with `other`; a chain of one rule is one set.
fn joined(rule: SetRule, own: Recipe, other: Recipe) -> Recipe {
    match own {
        Recipe::Set(same, mut parts) if same == rule => {
            parts.push(other);
            Recipe::Set(rule, parts)
        }
        own => Recipe::Set(rule, vec![own, other]),
    }
}
