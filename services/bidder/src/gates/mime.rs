//! MIME types as requests list them.

use tagbid_catalog::mime::registered;

/// Whether a list of MIME types takes this one. An empty list takes all; `video/*` and `*/*` are understood;
/// parameters and case do not matter.
pub(super) fn takes(list: &[&str], mime: &str) -> bool {
    list.is_empty() || list.iter().any(|entry| same(entry, mime))
}

fn same(entry: &str, mime: &str) -> bool {
    let (entry, mime) = (essence(entry), essence(mime));
    match entry.split_once('/') {
        Some(("*", "*")) => true,
        Some((group, "*")) => mime.split_once('/').is_some_and(|(own, _)| own.eq_ignore_ascii_case(group)),
        _ => registered(entry).eq_ignore_ascii_case(registered(mime)),
    }
}

fn essence(mime: &str) -> &str {
    mime.split(';').next().unwrap_or(mime).trim()
}

/// The MIME type of an image by its URL; `None` when the name does not tell.
pub(super) fn of_image_url(url: &str) -> Option<&'static str> {
    const ENDINGS: [(&str, &str); 6] = [
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("png", "image/png"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("svg", "image/svg+xml"),
    ];
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    ENDINGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(ending)).map(|(_, mime)| *mime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_meant() {
        assert!(takes(&[], "video/mp4"));
        assert!(takes(&["image/gif", " Video/MP4; codecs=avc1"], "video/mp4"));
        assert!(takes(&["video/*"], "video/webm"));
        assert!(takes(&["audio/mp3"], "audio/mpeg"));
        assert!(!takes(&["video/*"], "audio/mp4"));
        assert!(!takes(&["image/jpeg"], "text/html"));
    }

    #[test]
    fn an_image_is_known_by_its_name() {
        assert_eq!(of_image_url("https://cdn.example/a/b.JPG?v=1.png"), Some("image/jpeg"));
        assert_eq!(of_image_url("https://cdn.example/a/b"), None);
        assert_eq!(of_image_url("https://cdn.example.png/"), None);
    }
}
