//! Names of tags as people and pipelines write them, in one standard form: "COCA  COLA®", "coca-cola" and "Coca Cola" are
//! one name.
//!
//! Each name has two forms. The **standard** form is its identity: no two tags of a dataset share one. The **loose** form
//! is what a name is looked up by when its standard form is unknown; several tags may share one, and then the name is
//! ambiguous instead of guessed.
//!
//! The standard form, in this order:
//!
//! | what | becomes | why |
//! | --- | --- | --- |
//! | trademark signs, also as "(TM)" and "(R)" | a space | they come and go with the copywriter |
//! | invisible characters (category Cf, variation selectors) | nothing | nobody sees the difference |
//! | width, ligatures, composed and decomposed letters | NFKC | keyboards and exports differ |
//! | case | folded in full, so that "ß" is "ss"; "İ" and "ı" are "i" | the same word |
//! | apostrophes | nothing | "McDonald's", "McDonalds" |
//! | `&` | " and " | "Marks & Spencer" |
//! | `×` | "x" | "4×4" |
//! | `.` and `,` between digits, `-` that makes a number negative, `<` `>` `=` in front of a number, `#` behind a letter, `+`, `%`, currency signs | stay, without spaces around the last ones | "1.5", "-5", ">=100", "C#", "65+", "$100" are not "15", "5", "100", "C", "65" |
//! | every other punctuation, space or control character | one space, none at the ends | "in-market", "in_market", "in market" |
//!
//! The loose form also drops diacritics of Latin and Greek letters ("Citroën", "Citroen"), writes ё as е, and drops
//! spaces except between digits ("coca cola", "cocacola"; but "2 5" is not "25"). Diacritics stay in the standard form
//! because they tell words apart ("schon", "schön"), and in other scripts they stay in both: there they are letters and
//! vowels.
//!
//! What it does not do: letters of two scripts that look alike stay two ("а" of Cyrillic), "ü" is not "ue", and no word
//! is dropped ("Inc.", "the"). That is what synonyms are for.

mod fold;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Longest raw name in bytes.
pub const MAX_RAW: usize = 1_024;

/// Longest standard form in characters.
pub const MAX_CHARS: usize = 200;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// There is no letter, digit or picture in it.
    #[error("has no letter or digit")]
    Empty,
    /// It is too long.
    #[error("is too long: use at most {MAX_CHARS} characters")]
    TooLong,
    /// What a decoder writes in place of bytes that it could not read, and code points that stand for nothing.
    #[error("contains {0:?}, which is no character: decode it in the encoding in which it was written")]
    NotText(char),
}

/// A name in its standard and its loose form. Cheap to clone; compared by the standard form.
#[derive(Clone)]
pub struct StandardName {
    standard: Arc<str>,
    loose: Arc<str>,
}

impl StandardName {
    /// The standard form of a raw name. Doing it twice changes nothing.
    pub fn new(raw: &str) -> Result<Self, NameError> {
        if raw.len() > MAX_RAW {
            return Err(NameError::TooLong);
        }
        let standard = fold::standard(raw)?;
        if standard.chars().count() > MAX_CHARS {
            return Err(NameError::TooLong);
        }
        let loose = fold::loose(&standard);
        let standard: Arc<str> = standard.into();
        let loose = if *standard == loose { Arc::clone(&standard) } else { loose.into() };
        Ok(Self { standard, loose })
    }

    /// The standard form.
    pub fn as_str(&self) -> &str {
        &self.standard
    }

    /// The loose form.
    pub fn loose(&self) -> &str {
        &self.loose
    }

    /// The standard form, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.standard)
    }

    /// The loose form, shared.
    pub fn shared_loose(&self) -> Arc<str> {
        Arc::clone(&self.loose)
    }
}

impl PartialEq for StandardName {
    fn eq(&self, other: &Self) -> bool {
        self.standard == other.standard
    }
}

impl Eq for StandardName {}

impl std::hash::Hash for StandardName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.standard.hash(state);
    }
}

impl Borrow<str> for StandardName {
    fn borrow(&self) -> &str {
        &self.standard
    }
}

impl fmt::Debug for StandardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for StandardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.standard)
    }
}

#[cfg(test)]
mod tests;
