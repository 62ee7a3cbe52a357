//! Writes JSON into a string, members in the order of the calls: the bytes of a request depend on nothing but its
//! seed. (serde_json's map changes its order with a cargo feature that any other package can turn on.)

use std::fmt::Write;

/// Writes one object; the closing brace comes when the closure given to [`object`] or [`Object::object`] returns.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

/// The text of an object.
pub(crate) fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::with_capacity(2048);
    write_object(&mut out, fill);
    out
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        write_text(self.out, key);
        self.out.push(':');
    }

    /// A string.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_text(self.out, value);
    }

    /// A string, or nothing when it is empty.
    pub(crate) fn text_if(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    /// An integer.
    pub(crate) fn int(&mut self, key: &str, value: impl Into<i64>) {
        self.key(key);
        push(self.out, value.into());
    }

    /// A decimal, in the fewest digits that read back the same.
    pub(crate) fn decimal(&mut self, key: &str, value: f64) {
        self.key(key);
        push(self.out, value);
    }

    /// An array of strings.
    pub(crate) fn texts<'v>(&mut self, key: &str, values: impl IntoIterator<Item = &'v str>) {
        self.key(key);
        write_array(self.out, values, write_text);
    }

    /// An array of integers.
    pub(crate) fn ints(&mut self, key: &str, values: impl IntoIterator<Item = i64>) {
        self.key(key);
        write_array(self.out, values, push);
    }

    /// An object.
    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        write_object(self.out, fill);
    }

    /// An array with one object for each item.
    pub(crate) fn objects<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Object<'_>, T),
    ) {
        self.key(key);
        write_array(self.out, items, |out, item| {
            write_object(out, |object| fill(object, item));
        });
    }
}

fn write_object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    fill(&mut Object { out, empty: true });
    out.push('}');
}

fn write_array<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever text goes in is what a JSON reader gets out.
        #[test]
        fn any_text_survives(key in ".*", value in ".*") {
            let text = object(|o| o.text(&key, &value));
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.get(&key).and_then(|v| v.as_str()), Some(value.as_str()));
        }
    }

    #[test]
    fn members_keep_the_order_of_the_calls() {
        let text = object(|o| {
            o.int("z", 1);
            o.decimal("a", 0.5);
            o.objects("list", [1_i64, 2], |o, n| o.int("n", n));
            o.ints("none", []);
        });
        assert_eq!(text, r#"{"z":1,"a":0.5,"list":[{"n":1},{"n":2}],"none":[]}"#);
    }
}
