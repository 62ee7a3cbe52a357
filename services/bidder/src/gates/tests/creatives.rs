//! One creative of each format, ready to be changed by a test.

use std::collections::BTreeMap;

use tagbid_catalog::{
    AudioMarkup, BannerMarkup, Creative, Header, Markup, NativeAsset, NativeMarkup, VideoMarkup,
};
use tagbid_types::{AdvertiserId, CreativeId};

pub(crate) fn banner() -> Creative {
    of(Markup::Banner(BannerMarkup {
        width: 300,
        height: 250,
        html: r#"<a href="{CLICK_URL}"><img src="https://cdn.acme.example/a.png"></a>"#.into(),
        banner_type: 2,
    }))
}

pub(crate) fn video() -> Creative {
    of(Markup::Video(VideoMarkup {
        media_url: "https://cdn.acme.example/a.mp4".into(),
        mime: "video/mp4".into(),
        duration_ms: 15_000,
        width: 1280,
        height: 720,
        bitrate_kbps: 2_000,
        skip_after_s: Some(5),
    }))
}

pub(crate) fn spot() -> Creative {
    of(Markup::Audio(AudioMarkup {
        media_url: "https://cdn.acme.example/a.mp3".into(),
        mime: "audio/mpeg".into(),
        duration_ms: 30_000,
        bitrate_kbps: 128,
    }))
}

pub(crate) fn native() -> Creative {
    let image = |kind, url: &str, width, height| NativeAsset::Image { kind, url: url.into(), width, height };
    let data = |kind, value: &str| NativeAsset::Data { kind, value: value.into() };
    of(Markup::Native(NativeMarkup {
        title: "Red shoes, half price".into(),
        assets: vec![
            image(3, "https://cdn.acme.example/main.jpg", 1200, 627),
            image(1, "https://cdn.acme.example/icon.png", 80, 80),
            data(1, "Acme"),
            data(2, "Walk further, pay less."),
        ],
    }))
}

fn of(markup: Markup) -> Creative {
    Creative {
        id: CreativeId(7),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "Red shoes".into(),
        seat: String::new(),
        domains: vec!["acme.example".into()],
        categories: vec!["IAB18-1".into()],
        attributes: vec![],
        language: "en".into(),
        bundle: String::new(),
        click_url: "https://acme.example/shoes".into(),
        preview_url: String::new(),
        apis: vec![],
        secure: true,
        markup,
        approvals: BTreeMap::new(),
    }
}
