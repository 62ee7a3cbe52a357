//! Where the ad would be seen: site, app or screen, their publisher and content.

use super::Data;

/// A website: OpenRTB 2.6 section 3.2.13.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Site<'a> {
    /// The exchange's id of the site.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Domain, such as "foo.com".
    pub domain: Option<&'a str>,
    /// Taxonomy of the categories (AdCOM list "Category Taxonomies"); absent means 1.
    pub cattax: Option<i32>,
    /// Categories of the site.
    pub cat: &'a [&'a str],
    /// Categories of the section.
    pub sectioncat: &'a [&'a str],
    /// Categories of the page.
    pub pagecat: &'a [&'a str],
    /// URL of the page.
    pub page: Option<&'a str>,
    /// URL that led to the page.
    pub r#ref: Option<&'a str>,
    /// Search that led to the page.
    pub search: Option<&'a str>,
    /// The layout suits mobile devices.
    pub mobile: Option<bool>,
    /// The site has a privacy policy.
    pub privacypolicy: Option<bool>,
    /// Who publishes it.
    pub publisher: Option<&'a Publisher<'a>>,
    /// What is on the page.
    pub content: Option<&'a Content<'a>>,
    /// Keywords separated by commas. See [`Site::keywords`].
    pub keywords: Option<&'a str>,
    /// Keywords as a list.
    pub kwarray: &'a [&'a str],
    /// Domain whose ads.txt authorises a partner. Also from `site.ext`.
    pub inventorypartnerdomain: Option<&'a str>,
}

impl<'a> Site<'a> {
    /// The keywords of `keywords` and `kwarray`, one by one.
    pub fn keywords(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        keywords(self.keywords, self.kwarray)
    }
}

/// An app: section 3.2.14.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct App<'a> {
    /// The exchange's id of the app.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Bundle or store id, independent of the exchange.
    pub bundle: Option<&'a str>,
    /// Domain, such as "mygame.foo.com".
    pub domain: Option<&'a str>,
    /// URL of the app in its store.
    pub storeurl: Option<&'a str>,
    /// Taxonomy of the categories; absent means 1.
    pub cattax: Option<i32>,
    /// Categories of the app.
    pub cat: &'a [&'a str],
    /// Categories of the section.
    pub sectioncat: &'a [&'a str],
    /// Categories of the view.
    pub pagecat: &'a [&'a str],
    /// Version of the app.
    pub ver: Option<&'a str>,
    /// The app has a privacy policy.
    pub privacypolicy: Option<bool>,
    /// It is the paid version.
    pub paid: Option<bool>,
    /// Who publishes it.
    pub publisher: Option<&'a Publisher<'a>>,
    /// What is being shown.
    pub content: Option<&'a Content<'a>>,
    /// Keywords separated by commas. See [`App::keywords`].
    pub keywords: Option<&'a str>,
    /// Keywords as a list.
    pub kwarray: &'a [&'a str],
    /// Domain whose app-ads.txt authorises a partner. Also from `app.ext`.
    pub inventorypartnerdomain: Option<&'a str>,
}

impl<'a> App<'a> {
    /// The keywords of `keywords` and `kwarray`, one by one.
    pub fn keywords(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        keywords(self.keywords, self.kwarray)
    }
}

/// A digital out-of-home screen or network of screens: section 3.2.24.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dooh<'a> {
    /// The exchange's id of the placement.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Types of venue, in `venuetypetax`.
    pub venuetype: &'a [&'a str],
    /// Taxonomy of `venuetype` (AdCOM list "DOOH Venue Taxonomies"); absent means 1.
    pub venuetypetax: Option<i32>,
    /// Who publishes it.
    pub publisher: Option<&'a Publisher<'a>>,
    /// Domain of the inventory's owner.
    pub domain: Option<&'a str>,
    /// Keywords separated by commas. See [`Dooh::keywords`].
    pub keywords: Option<&'a str>,
    /// Keywords as a list.
    pub kwarray: &'a [&'a str],
    /// What is being shown.
    pub content: Option<&'a Content<'a>>,
}

impl<'a> Dooh<'a> {
    /// The keywords of `keywords` and `kwarray`, one by one.
    pub fn keywords(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        keywords(self.keywords, self.kwarray)
    }
}

/// Who publishes the site or app: section 3.2.15.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Publisher<'a> {
    /// The exchange's id of the publisher.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Taxonomy of `cat`; absent means 1.
    pub cattax: Option<i32>,
    /// Categories.
    pub cat: &'a [&'a str],
    /// Highest-level domain.
    pub domain: Option<&'a str>,
}

/// Who produced the content: section 3.2.17.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Producer<'a> {
    /// Id.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Taxonomy of `cat`; absent means 1.
    pub cattax: Option<i32>,
    /// Categories.
    pub cat: &'a [&'a str],
    /// Highest-level domain.
    pub domain: Option<&'a str>,
}

/// The network of the channel: section 3.2.23. Also from `content.ext.network`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network<'a> {
    /// Id given by the publisher.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Primary domain.
    pub domain: Option<&'a str>,
}

/// The channel on which the content is: section 3.2.24. Also from `content.ext.channel`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Channel<'a> {
    /// Id given by the publisher.
    pub id: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Primary domain.
    pub domain: Option<&'a str>,
}

/// What the ad would be seen with: section 3.2.16.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Content<'a> {
    /// Id of the content.
    pub id: Option<&'a str>,
    /// Episode number.
    pub episode: Option<i32>,
    /// Title.
    pub title: Option<&'a str>,
    /// Series.
    pub series: Option<&'a str>,
    /// Season.
    pub season: Option<&'a str>,
    /// Artist.
    pub artist: Option<&'a str>,
    /// Genre.
    pub genre: Option<&'a str>,
    /// Album.
    pub album: Option<&'a str>,
    /// International Standard Recording Code.
    pub isrc: Option<&'a str>,
    /// Who produced it.
    pub producer: Option<&'a Producer<'a>>,
    /// URL.
    pub url: Option<&'a str>,
    /// Taxonomy of `cat`; absent means 1. Also from `content.ext.cattax`.
    pub cattax: Option<i32>,
    /// Categories.
    pub cat: &'a [&'a str],
    /// AdCOM list "Production Qualities".
    pub prodq: Option<i32>,
    /// AdCOM list "Content Contexts".
    pub context: Option<i32>,
    /// Rating, such as "MPAA".
    pub contentrating: Option<&'a str>,
    /// Rating by users.
    pub userrating: Option<&'a str>,
    /// AdCOM list "Media Ratings".
    pub qagmediarating: Option<i32>,
    /// Keywords separated by commas. See [`Content::keywords`].
    pub keywords: Option<&'a str>,
    /// Keywords as a list.
    pub kwarray: &'a [&'a str],
    /// The content is live.
    pub livestream: Option<bool>,
    /// The relation to the source is direct.
    pub sourcerelationship: Option<bool>,
    /// Length in seconds.
    pub len: Option<u32>,
    /// Language, ISO 639-1.
    pub language: Option<&'a str>,
    /// Language, IETF BCP 47.
    pub langb: Option<&'a str>,
    /// The content can be embedded.
    pub embeddable: Option<bool>,
    /// What data providers say of it.
    pub data: &'a [Data<'a>],
    /// Its network.
    pub network: Option<&'a Network<'a>>,
    /// Its channel.
    pub channel: Option<&'a Channel<'a>>,
}

impl<'a> Content<'a> {
    /// The keywords of `keywords` and `kwarray`, one by one.
    pub fn keywords(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        keywords(self.keywords, self.kwarray)
    }
}

/// Keywords from both of OpenRTB's forms, trimmed, none empty.
pub fn keywords<'a>(csv: Option<&'a str>, list: &'a [&'a str]) -> impl Iterator<Item = &'a str> + use<'a> {
    csv.into_iter()
        .flat_map(|csv| csv.split(','))
        .chain(list.iter().copied())
        .map(str::trim)
        .filter(|word| !word.is_empty())
}
