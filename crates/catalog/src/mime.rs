//! MIME types under their registered names, so that a creative says in its markup what a request can have asked for.

/// What is commonly written, and the registered name of it (IANA).
const MISNAMED: [(&str, &str); 3] =
    [("image/jpg", "image/jpeg"), ("audio/mp3", "audio/mpeg"), ("application/javascript", "text/javascript")];

/// The registered name of a type that is commonly misnamed; any other as it is. Case does not matter.
pub fn registered(mime: &str) -> &str {
    let known = MISNAMED.iter().find(|(wrong, _)| wrong.eq_ignore_ascii_case(mime));
    known.map_or(mime, |(_, right)| right)
}

/// A type as it is stored: trimmed, in lower case, under its registered name.
pub fn normalised(mime: &str) -> String {
    registered(mime.trim()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_misnomer_is_stored_under_its_registered_name() {
        assert_eq!(normalised(" Audio/MP3 "), "audio/mpeg");
        assert_eq!(normalised("Video/MP4"), "video/mp4");
    }
}
